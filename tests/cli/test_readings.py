"""What is shown of steps and answers: nothing that matters is left out, nothing is said twice."""

import io

import pytest
from rich.console import Console

from hippograph.cli.readings import answer_values, show_answer, show_step
from hippograph.types import Answer, Hit, Passage, Step

SUMMARY = Hit(
    passage=Passage(id="semantic:1", document="", title="semantic summary, level 1, of 3 passages", text="..."),
    score=0.5,
)


def shown(step: Step) -> list[str]:
    written = io.StringIO()
    show_step(Console(file=written, width=200), step, 1)
    return [line.strip() for line in written.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("step", "lines"),
    [
        (
            Step(kind="retrieve", query="?", hits=(SUMMARY,), reason="semantic layer: 1 of 9"),
            ["passages: semantic summary, level 1, of 3 passages (0.5)", "because: semantic layer: 1 of 9"],
        ),
        (
            Step(kind="attempt", query="?", text="Oslo", note_before="a", note_after="b", decision="stop", reason="ok"),
            ["note: b", "says: Oslo", "decides to stop: ok"],
        ),
        (Step(kind="think", query="?", text="So?", note_after="Oslo. So?"), ["note: Oslo. So?", "says: So?"]),
        (Step(kind="note", query="?", text="b\nAnswer: Oslo", note_after="b"), ["note: b", "says: Answer: Oslo"]),
        (Step(kind="revise", query="?", text="b", note_before="a", note_after="b"), ["note: b"]),
        (Step(kind="note", query="?", text="b", note_before="a", note_after="a"), ["says: b"]),
    ],
)
def test_steps_show_what_was_said_noted_and_decided(step, lines):
    assert shown(step)[1:-1] == lines


def test_an_answer_tells_why_it_ended_and_not_why_something_else_was_done():
    steps = (Step(kind="retrieve", query="?", reason="semantic layer: 1 taken in of 9 found"),)
    for ended in ("the budget of 8 calls is spent", ""):
        written = io.StringIO()
        made = Answer(question="?", text="Oslo", complete=False, outcome="budget", steps=steps, ended=ended)
        show_answer(Console(file=written, width=200), made)
        assert f"The best answer so far: {ended or 'the budget is spent'}." in written.getvalue()
        assert answer_values(made)["ended"] == ended
