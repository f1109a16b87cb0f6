import json
from pathlib import Path

import pytest

from hippograph.completions import Completion, Message, ModelRequest
from hippograph.errors import InputError, ModelError
from hippograph.models.recorded import RecordedModel, RecordingModel
from hippograph.testing.model_contract import ContractAnswer, check_language_model, contract_requests
from hippograph.testing.scripted import ScriptedModel
from hippograph.types import Usage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "answers.jsonl"


def ask(text: str) -> ModelRequest:
    return ModelRequest(messages=(Message("user", text),), schema=ContractAnswer)


def record(path: Path, **answers: Completion | str | Exception) -> ScriptedModel:
    model = ScriptedModel(answers=lambda request: answers[request.messages[0].text], order=(1, 0))
    with RecordingModel(model=model, path=path) as recording:
        futures = [recording.submit(ask(text)) for text in answers]
        for future in futures:
            future.exception()
    return model


def test_both_keep_the_contract(path):
    with RecordingModel(model=ScriptedModel(answers=lambda _: ContractAnswer(answer="Warsaw")), path=path) as recording:
        check_language_model(recording)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1 + len(contract_requests())
    check_language_model(RecordedModel(path=path))


def test_what_was_answered_is_answered_again(path):
    asked = record(
        path,
        good='{"answer": "In Warsaw."}',
        bad="In Warsaw.",
        none=Completion(status="failed", error="overloaded", usage=Usage(calls=3)),
    )
    replayed = RecordedModel(path=path, concurrency=8)
    assert (replayed.fingerprint, replayed.concurrency) == (asked.fingerprint, 8)
    good, bad, none = [replayed.submit(ask(text)).result() for text in ("good", "bad", "none")]
    assert (good.value, good.usage) == (ContractAnswer(answer="In Warsaw."), Usage(items=1, reused=1))
    assert good.worth == Usage(calls=1, items=1, input_tokens=1, output_tokens=3)
    assert (bad.status, bad.text, bad.value) == ("invalid", "In Warsaw.", None)
    assert bad.error
    assert (none.status, none.error, none.usage.calls, none.worth) == ("failed", "overloaded", 0, Usage(calls=3))


def test_what_is_missing_is_named_with_the_remedy(path):
    record(path, good='{"answer": ""}', broken=ModelError("wrong key"))
    replayed = RecordedModel(path=path)
    for text in ("other", "broken"):
        with pytest.raises(ModelError, match=rf"is missing for the request '{text}' of 'scripted:1'.*RecordingModel"):
            replayed.submit(ask(text)).result()


def test_an_answer_that_was_changed_by_hand_is_refused(path):
    record(path, good='{"answer": "In Warsaw."}')
    path.write_text(path.read_text(encoding="utf-8").replace('answer\\"', 'reply\\"'), encoding="utf-8")
    with pytest.raises(ModelError, match="does not fit the schema of the request 'good'"):
        RecordedModel(path=path).submit(ask("good")).result()


def test_recording_again_adds_and_replaces(path):
    record(path, one='{"answer": "1"}', two='{"answer": "2"}')
    record(path, two='{"answer": "zwei"}', three='{"answer": "3"}')
    replayed = RecordedModel(path=path)
    values = [replayed.submit(ask(text)).result().value for text in ("one", "two", "three")]
    assert values == [ContractAnswer(answer=text) for text in ("1", "zwei", "3")]


def test_the_file_is_the_same_in_whatever_order_answers_come(path, tmp_path):
    answers = {name: f'{{"answer": "{name}"}}' for name in "abcde"}
    record(path, **answers)
    record(tmp_path / "other.jsonl", **dict(reversed(answers.items())))
    assert path.read_bytes() == (tmp_path / "other.jsonl").read_bytes()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[0] == {"format": "hippograph answers 1", "fingerprint": "scripted:1"}
    assert [line["key"] for line in lines[1:]] == sorted(line["key"] for line in lines[1:])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_another_model_is_not_mixed_in(path):
    record(path, good='{"answer": ""}')
    before = path.read_bytes()
    recording = RecordingModel(model=ScriptedModel(answers=[], name="2"), path=path)
    with pytest.raises(InputError, match=r"answers of 'scripted:1', not of 'scripted:2'"):
        recording.save()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read"),
        (b"", "no recorded answers"),
        (b"\xff\xfe", "cannot be read"),
        (b"[]\n", "no recorded answers"),
        (b'{"format": "hippograph answers 2", "fingerprint": "x"}\n', "no recorded answers"),
        (b'{"format": "hippograph answers 1", "fingerprint": "x"}\n{"key"\n', "line 2 of"),
        (b'{"format": "hippograph answers 1", "fingerprint": "x"}\n{"key": 3}\n', "line 2 of"),
    ],
)
def test_files_that_are_no_recording(tmp_path, content, complaint):
    path = tmp_path / "answers.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        RecordedModel(path=path).submit(ask("good"))


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    recording = RecordingModel(model=ScriptedModel(answers=[]), path=tmp_path / "file" / "answers.jsonl")
    with pytest.raises(InputError, match="cannot be written"):
        recording.save()
