"""A small multi-hop corpus about an invented country, and one in many scripts: for tests, documentation and demos.

Nothing in the toy corpus is true, so no model can answer its questions from memory. Most of them need a passage that
does not resemble the question and is reached only through a name in another passage.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from hippograph.types import Passage

__all__ = [
    "toy_corpus_path",
    "toy_passages",
    "toy_questions_path",
    "toy_readings_path",
    "unicode_corpus_path",
    "unicode_questions_path",
]


def toy_corpus_path() -> Path:
    """Return the JSON lines file of the toy corpus: `id`, `title`, `text` and `metadata` with `topic` and `year`.

    Examples
    --------
    >>> toy_corpus_path().name
    'corpus.jsonl'
    """
    return _packaged("corpus.jsonl")


def toy_questions_path() -> Path:
    """Return the JSON file of the questions on the toy corpus.

    The type of a question is `single`, `bridge`, `comparison`, `compositional` or `bridge_comparison`, as in
    2WikiMultiHopQA [1]_; `hops` is the number of its gold passages.

    References
    ----------
    .. [1] Ho et al., "Constructing A Multi-hop QA Dataset for Comprehensive Evaluation of Reasoning Steps",
       COLING 2020.

    Examples
    --------
    >>> from hippograph.evaluation.datasets import load_questions
    >>> question = load_questions(toy_questions_path()).questions[0]
    >>> question.text, sorted(question.gold)
    ('In what year was the vessel lost that Jorund Hale used to command?', ['aldermere-ship', 'jorund-hale'])
    """
    return _packaged("questions.json")


def toy_passages() -> list[Passage]:
    """Read the toy corpus, one passage per document, in the order of the file.

    Returns
    -------
    New passages whose source is empty, so that they do not depend on where hippograph is installed.

    Examples
    --------
    >>> passage = toy_passages()[0]
    >>> passage.title, passage.metadata["topic"]
    ('Aldermere (town)', 'town')
    """
    rows = [json.loads(line) for line in toy_corpus_path().read_text(encoding="utf-8").split("\n") if line]
    return [
        Passage(
            id=row["id"],
            document=row["id"],
            title=row["title"],
            text=row["text"],
            span=(0, len(row["text"])),
            metadata=row["metadata"],
        )
        for row in rows
    ]


def toy_readings_path() -> Path:
    """Return the JSON file of what there is to say to three of these questions, step by step.

    It is written by hand, as an able model would answer that knows nothing but the passages;
    `hippograph.testing.recorded_readings.RecordedReadings` answers from it.

    Examples
    --------
    >>> toy_readings_path().name
    'readings.json'
    """
    return _packaged("readings.json")


def unicode_corpus_path() -> Path:
    """Return the JSON lines file of passages in Chinese, Russian, Arabic and accented Latin, and on names such as C++.

    Examples
    --------
    >>> unicode_corpus_path().name
    'unicode.jsonl'
    """
    return _packaged("unicode.jsonl")


def unicode_questions_path() -> Path:
    """Return the JSON file of the questions on those passages, each in the language of its gold passages.

    Examples
    --------
    >>> unicode_questions_path().name
    'unicode_questions.json'
    """
    return _packaged("unicode_questions.json")


def _packaged(name: str) -> Path:
    return Path(str(files("hippograph.testing").joinpath("toy", name)))
