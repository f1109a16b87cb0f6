"""A process that reads passages: JSON lines in, JSON lines out.

The first line names the pipeline and is answered by `{"ready": true}` or `{"error": ...}`. Every further line is a list
of `[title, text]` and is answered by a list of `[status, entities, triples, error]`. The process ends with its input.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hippograph.errors import HippographError
from hippograph.index.dependency_rules import triples
from hippograph.index.mentions import entities
from hippograph.models.spacy_pipeline import find_pipeline, load_pipeline
from hippograph.types import Extraction, Triple

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

__all__ = ["decoded", "main", "read_batch"]


def read_batch(pipeline: Language, batch: Sequence[tuple[str, str]], *, dates: bool) -> list[Extraction]:
    """Read titled texts; one that the pipeline cannot read gives the status `failed` and the reason.

    A batch is parsed together, which gives the same parses, bit for bit, as one text at a time.

    Examples
    --------
    >>> pipeline = load_pipeline(find_pipeline())
    >>> [found] = read_batch(pipeline, [("Marie Curie", "She was born in Warsaw.")], dates=False)
    >>> found.status, found.entities, tuple(found.triples[0])
    ('done', ('Marie Curie', 'Warsaw'), ('Marie Curie', 'born in', 'Warsaw'))
    """
    # Without the zone, every new word would stay in the pipeline's vocabulary for good.
    with pipeline.memory_zone():
        try:
            docs = list(pipeline.pipe([text for _, text in batch], batch_size=len(batch)))
        except Exception:  # noqa: BLE001 - one of the texts is at fault; read alone, it shows its own error below
            return [_read_alone(pipeline, title, text, dates=dates) for title, text in batch]
        return [_read(doc, title, dates=dates) for doc, (title, _) in zip(docs, batch, strict=True)]


def decoded(answer: Sequence[Sequence[Any]]) -> list[Extraction]:
    """Turn a worker's answer back into extractions.

    Examples
    --------
    >>> decoded([["done", ["Oslo"], [["Oslo", "in", "Norway"]], ""]])[0].triples
    (Triple(subject='Oslo', relation='in', object='Norway'),)
    """
    return [
        Extraction(status=status, entities=tuple(names), triples=tuple(Triple(*fact) for fact in facts), error=error)
        for status, names, facts, error in answer
    ]


def main() -> None:
    """Serve the process that started this one, until its end of the pipe is closed."""
    # An interrupt from the keyboard is for the process in charge, which then closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    # Whatever a library prints must not mix with the answers.
    os.dup2(2, 1)
    for answer in _answers(iter(sys.stdin)):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answers(lines: Iterator[str]) -> Iterator[object]:
    setup = json.loads(next(lines))
    try:
        pipeline = load_pipeline(find_pipeline(setup["pipeline"]))
    except HippographError as error:
        yield {"error": str(error)}
        return
    yield {"ready": True}
    for line in lines:
        batch = [(title, text) for title, text in json.loads(line)]
        yield [
            (found.status, found.entities, found.triples, found.error)
            for found in read_batch(pipeline, batch, dates=setup["dates"])
        ]


def _read_alone(pipeline: Language, title: str, text: str, *, dates: bool) -> Extraction:
    try:
        return _read(pipeline(text), title, dates=dates)
    except Exception as error:  # noqa: BLE001 - a pipeline may raise anything; it is recorded, and the others go on
        return Extraction(status="failed", error=f"{type(error).__name__}: {error}")


def _read(doc: Doc, title: str, *, dates: bool) -> Extraction:
    names, facts = tuple(entities(doc, title=title, dates=dates)), tuple(triples(doc, title=title))
    return Extraction(status="done" if names or facts else "empty", entities=names, triples=facts)
