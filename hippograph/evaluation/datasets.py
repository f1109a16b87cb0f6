"""Questions and their gold documents: from a JSON file or a BEIR folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from hippograph.errors import InputError
from hippograph.evaluation.rows import parsed, text_of, valid

__all__ = ["Question", "QuestionSet", "load_questions"]

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question and what should be found for it.

    Parameters
    ----------
    id
        Names the question in runs.
    text
        What is asked.
    gold
        The ids of the documents or passages that answer it, with their grades, 1 and above.
    answers
        Acceptable answers, if known.
    type
        The kind of question, by which results are broken down; may be empty.
    """

    id: str
    text: str
    gold: Mapping[str, int] = field(default_factory=dict)
    answers: tuple[str, ...] = ()
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """Questions in the order of their file, each id once.

    Examples
    --------
    >>> questions = QuestionSet(
    ...     questions=(Question(id="q1", text="Who?", gold={"d1": 1}), Question(id="q2", text="Why?"))
    ... )
    >>> questions.qrels, questions.n_without_gold
    ({'q1': {'d1': 1}}, 1)
    """

    questions: tuple[Question, ...]

    @property
    def qrels(self) -> dict[str, dict[str, int]]:
        """The gold of the questions that have some."""
        return {question.id: dict(question.gold) for question in self.questions if question.gold}

    @property
    def n_without_gold(self) -> int:
        """How many questions cannot be measured."""
        return sum(not question.gold for question in self.questions)


class _Row(BaseModel):
    """A question in a JSON file; keys beside these are ignored, because published sets carry more."""

    model_config = ConfigDict(strict=True, extra="ignore")

    id: str | int
    question: str
    gold: list[str | int] | None = None
    answers: list[str] | None = None
    type: str | None = None


class _Query(BaseModel):
    """A line of a BEIR `queries.jsonl`."""

    model_config = ConfigDict(strict=True, extra="ignore")

    id: str | int = Field(alias="_id")
    text: str


_WANTED = {
    "id": "a string or a whole number",
    "_id": "a string or a whole number",
    "gold": "a list of the ids or idx numbers of passages",
    "answers": "a list of strings",
}


def load_questions(path: str | Path, *, split: str = "test") -> QuestionSet:
    """Read questions from a JSON file or a BEIR folder.

    A JSON file is a list of `{"id", "question", "gold", "answers", "type"}`, of which the last three may be missing;
    `gold` lists the `idx` or `id` of passages, each of grade 1. A BEIR folder has `queries.jsonl` and
    `qrels/<split>.tsv` (query, document and grade, under a header); the questions are those of the split, and grades
    below 1 are not gold.

    Parameters
    ----------
    path
        The file or folder.
    split
        Which qrels of a BEIR folder to read; JSON files have no splits.

    Returns
    -------
    The questions; those without gold are among them.

    Raises
    ------
    InputError
        If the path does not exist, or something in it is missing or has the wrong type; the message names the file,
        the row (counted from 1) and the field.

    References
    ----------
    N. Thakur et al., BEIR: a heterogeneous benchmark for zero-shot evaluation of information retrieval models
    (NeurIPS Datasets and Benchmarks 2021).

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(f"{folder}/q.json").write_text('[{"id": 1, "question": "Who?", "gold": [7]}]')
    ...     load_questions(f"{folder}/q.json").questions
    (Question(id='1', text='Who?', gold={'7': 1}, answers=(), type=''),)
    """
    path = Path(path)
    try:
        questions = _beir_questions(path, split) if path.is_dir() else _json_questions(path)
    except OSError as error:
        raise InputError(f"the questions {path} cannot be read: {error.strerror}; check the path") from error
    if not questions:
        raise InputError(f"{path} holds no questions; put some into it")
    return QuestionSet(questions=tuple(questions))


def _json_questions(path: Path) -> list[Question]:
    rows = parsed(text_of(path), where=str(path))
    if not isinstance(rows, list):
        raise InputError(f'{path} is not a list; write a list of questions: [{{"id": ..., "question": ...}}, ...]')
    questions: dict[str, Question] = {}
    for number, value in enumerate(rows, start=1):
        where = f"{path}, row {number}"
        row = valid(_Row, value, where=where, wanted=_WANTED)
        question = Question(
            id=str(row.id),
            text=row.question,
            gold={str(id): 1 for id in row.gold or ()},
            answers=tuple(row.answers or ()),
            type=row.type or "",
        )
        _add(questions, question, where=where, field="question")
    return list(questions.values())


def _beir_questions(folder: Path, split: str) -> list[Question]:
    path = folder / "queries.jsonl"
    if not path.is_file():
        raise InputError(f"{folder} has no queries.jsonl, so it is no BEIR folder; name a JSON file of questions")
    splits = sorted(file.stem for file in folder.glob("qrels/*.tsv"))
    if split not in splits:
        found = ", ".join(splits) or "none"
        raise InputError(f"{folder} has no qrels/{split}.tsv; choose one of its splits: {found}")
    qrels_path = folder / "qrels" / f"{split}.tsv"
    qrels = _beir_qrels(qrels_path)
    questions: dict[str, Question] = {}
    for number, line in enumerate(text_of(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        row = valid(_Query, parsed(line, where=where), where=where, wanted=_WANTED)
        if str(row.id) in qrels:
            gold = {document: grade for document, grade in qrels[str(row.id)].items() if grade > 0}
            _add(questions, Question(id=str(row.id), text=row.text, gold=gold), where=where, field="text")
    missing = [id for id in qrels if id not in questions]
    if missing:
        raise InputError(
            f"{qrels_path} judges query {missing[0]!r}, which {path} lacks; add the query or drop the line"
        )
    return list(questions.values())


def _beir_qrels(path: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for number, line in enumerate(text_of(path).split("\n"), start=1):
        where = f"{path}, line {number}"
        fields = line.rstrip("\r").split("\t")
        if not line.strip() or (number == 1 and fields[-1] == "score"):
            continue
        if len(fields) != 3:
            raise InputError(f"{where}: {len(fields)} fields, not 3; write query, document and grade between tabs")
        query, document, grade = fields
        if not re.fullmatch(r"[+-]?[0-9]{1,9}", grade):
            raise InputError(f"{where}: the grade is {grade!r}; write a whole number")
        grades = qrels.setdefault(query, {})
        if grades.setdefault(document, int(grade)) != int(grade):
            raise InputError(f"{where}: document {document!r} has two grades for query {query!r}; keep one")
    return qrels


def _add(questions: dict[str, Question], question: Question, *, where: str, field: str) -> None:
    if not question.id:
        raise InputError(f"{where}: the id is empty; give each question an id")
    if question.id in questions:
        raise InputError(f"{where}: the id {question.id!r} is given twice; give each question its own id")
    if not question.text.strip():
        raise InputError(f"{where}: `{field}` is blank; write the question")
    if _LONE_SURROGATE.search("".join((question.id, question.text, question.type, *question.gold, *question.answers))):
        raise InputError(f"{where}: has half of a surrogate pair, which UTF-8 cannot hold; repair or remove it")
    questions[question.id] = question
