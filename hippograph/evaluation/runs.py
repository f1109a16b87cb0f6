"""TREC run files: one line per question and document, `question Q0 document rank score tag`.

Ids may hold anything: whitespace, control characters and `%` are written as `%XX` (percent-encoded UTF-8) and read
back. trec_eval ignores the rank and orders by the score in single precision, equal scores by id downwards; so a score
that does not lie below the one before it, in single precision, is written as the next number below that. Every other
score is written exactly.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

from hippograph.errors import InputError
from hippograph.evaluation.measures import Run, ranked

__all__ = ["read_run", "write_run"]

_UNSAFE = re.compile(r"[\s%\x00-\x1f\x7f-\x9f]")
_LARGEST_SCORE = 1e38  # leaves room in single precision for the numbers below it
_FIELDS = 6


def write_run(path: str | Path, run: Run, *, tag: str = "hippograph") -> None:
    """Write a run so that every tool reads back the same order; questions without documents leave no line.

    Parameters
    ----------
    path
        The file to write; one that exists is replaced.
    run
        The rankings, with scores of at most 1e38 in size.
    tag
        Names the run, in the last column.

    Raises
    ------
    InputError
        If the file cannot be written, an id is empty or cannot be written as UTF-8, or a score is not finite or too
        large.

    References
    ----------
    C. Buckley, trec_eval, README: the format of `results_file`, and how equal scores are ordered.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_run(f"{folder}/bm25.run", {"q1": {"old town": 1.5, "b": 1.5}}, tag="bm25")
    ...     print(Path(f"{folder}/bm25.run").read_text(), end="")
    q1 Q0 b 1 1.5 bm25
    q1 Q0 old%20town 2 1.4999998807907104 bm25
    """
    lines = [line for question, scores in run.items() for line in _lines(question, scores, tag=_encoded(tag))]
    try:
        Path(path).write_text("".join(lines), encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"the run file {path} cannot be written: {error.strerror}; name another place") from error


def read_run(path: str | Path) -> dict[str, dict[str, float]]:
    """Read a run; the scores give the order, the rank column is not used.

    Parameters
    ----------
    path
        A TREC run file, UTF-8; blank lines are ignored.

    Returns
    -------
    Question id -> document id -> score, in the order of the file.

    Raises
    ------
    InputError
        If the file cannot be read, or a line has not six fields, no finite score, or a document that its question
        had before.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(f"{folder}/bm25.run").write_text("q1 Q0 old%20town 1 1.5 bm25")
    ...     read_run(f"{folder}/bm25.run")
    {'q1': {'old town': 1.5}}
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"the run file {path} cannot be read: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the run file {path} is not UTF-8 (byte {error.start}); convert it to UTF-8") from error
    run: dict[str, dict[str, float]] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        question, document, score = _parsed(line, where=f"{path}, line {number}")
        scores = run.setdefault(question, {})
        if document in scores:
            raise InputError(f"{path}, line {number}: document {document!r} is given twice for {question!r}; keep one")
        scores[document] = score
    return run


def _lines(question: str, scores: Mapping[str, float], *, tag: str) -> Iterator[str]:
    before = np.float32(np.inf)
    for rank, document in enumerate(ranked(scores), start=1):
        score = float(scores[document])
        if not abs(score) <= _LARGEST_SCORE:
            raise InputError(f"the score of document {document!r} is {score}; scores must be finite, at most 1e38")
        single = np.float32(score)
        if not single < before:
            single = np.nextafter(before, np.float32(-np.inf))
            score = float(single)
        before = single
        yield f"{_encoded(question)} Q0 {_encoded(document)} {rank} {score!r} {tag}\n"


def _parsed(line: str, *, where: str) -> tuple[str, str, float]:
    fields = re.split(r"[ \t]+", line.strip())
    if len(fields) != _FIELDS:
        raise InputError(f"{where}: {len(fields)} fields, not 6; write 'question Q0 document rank score tag'")
    try:
        score = float(fields[4])
    except ValueError as error:
        raise InputError(f"{where}: the score is {fields[4]!r}; write a number") from error
    if not math.isfinite(score):
        raise InputError(f"{where}: the score is {fields[4]!r}; write a finite number")
    return unquote(fields[0]), unquote(fields[2]), score


def _encoded(id: str) -> str:
    if not id:
        raise InputError("a question, document or tag has an empty id, which a run file cannot hold; give it one")
    try:
        id.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the id {id!r} cannot be written as UTF-8; change its character {error.start}") from error
    return _UNSAFE.sub(lambda match: quote(match[0], safe=""), id)
