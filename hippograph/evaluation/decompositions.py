"""The sub-questions that published sets have for their questions, with the answers put in that they refer to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from hippograph.errors import InputError
from hippograph.evaluation.rows import parsed, text_of, valid

__all__ = ["load_decompositions", "resolved"]

_REFERENCE: Final = re.compile(r"#([1-9][0-9]?)(?![0-9])")
_WANTED: Final = {
    "id": "a string or a whole number",
    "decomposition": "a list of {question, answer}, both strings",
}


class _SubQuestion(BaseModel):
    """One step of a decomposition."""

    model_config = ConfigDict(strict=True, extra="ignore")

    question: str
    answer: str


class _Row(BaseModel):
    """A question in a JSON file; other keys are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")

    id: str | int
    decomposition: list[_SubQuestion] | None = None


def load_decompositions(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read the sub-questions of the questions in a JSON file.

    The file is a list of `{"id", "decomposition": [{"question", "answer"}]}`; other keys are ignored, and so are
    questions without a decomposition.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    The sub-questions of each question that has some, in the order in which they are to be answered, by its id.

    Raises
    ------
    InputError
        If the file cannot be read, or something in it has the wrong type.

    References
    ----------
    H. Trivedi et al., MuSiQue: multihop questions via single-hop question composition (TACL 2022), section 3.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> row = (
    ...     '{"id": 1, "decomposition": [{"question": "Brother >> performer", "answer": "Pearl Jam"}, '
    ...     '{"question": "What city was #1 formed in?", "answer": "Seattle"}]}'
    ... )
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(f"{folder}/q.json").write_text(f"[{row}]")
    ...     load_decompositions(f"{folder}/q.json")
    {'1': ('Brother performer', 'What city was Pearl Jam formed in?')}
    """
    path = Path(path)
    try:
        rows = parsed(text_of(path), where=str(path))
    except OSError as error:
        raise InputError(f"the questions {path} cannot be read: {error.strerror}; check the path") from error
    if not isinstance(rows, list):
        raise InputError(f'{path} is not a list; write a list of questions: [{{"id": ..., "decomposition": ...}}, ...]')
    found = {}
    for number, value in enumerate(rows, start=1):
        row = valid(_Row, value, where=f"{path}, row {number}", wanted=_WANTED)
        if row.decomposition:
            found[str(row.id)] = resolved([(part.question, part.answer) for part in row.decomposition])
    return found


def resolved(parts: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Make questions that can be looked up of the steps of a decomposition.

    Parameters
    ----------
    parts
        Questions and their answers, as MuSiQue writes them: `#1` stands for the first answer, and `X >> relation` asks
        for what X has this relation to. What refers to no earlier answer stays as it is.

    Examples
    --------
    >>> resolved([("Bubye River >> country", "Zimbabwe"), ("which waterfall is in #1", "Victoria Falls")])
    ('Bubye River country', 'which waterfall is in Zimbabwe')
    """
    questions: list[str] = []
    answers: list[str] = []
    for question, answer in parts:
        whole = _REFERENCE.sub(lambda found: _answer(found, answers), question.replace(">>", " "))
        questions.append(" ".join(whole.split()))
        answers.append(answer)
    return tuple(questions)


def _answer(found: re.Match[str], answers: Sequence[str]) -> str:
    place = int(found[1])
    return answers[place - 1] if place <= len(answers) else found[0]
