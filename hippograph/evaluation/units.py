"""What counts as one thing that was found: a document, or a passage where the gold names parts of documents."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Literal, TypeAlias

from hippograph.errors import InputError
from hippograph.evaluation.measures import Qrels
from hippograph.types import Passage

__all__ = ["Unit", "check_known", "counted_as", "unit_of"]

Unit: TypeAlias = Literal["document", "passage"]

_SHOWN_IDS = 5


def unit_of(found: Iterable[Passage], gold: Container[str]) -> Unit:
    """Tell what is to be counted: documents, unless a passage that is a part of one was found and is gold.

    Parameters
    ----------
    found
        All that was found, for all questions.
    gold
        The gold of all questions.
    """
    return "passage" if any(_is_gold_part(passage, gold) for passage in found) else "document"


def counted_as(passage: Passage, gold: Container[str], *, unit: Unit) -> str:
    """Return the id that a passage counts under: that of its document, or its own.

    Where passages count, those of documents that the gold names whole count as these documents nevertheless.

    Examples
    --------
    >>> part = Passage(id="d#1", document="d", text="...")
    >>> counted_as(part, {"d"}, unit="passage"), counted_as(part, {"d#1"}, unit="passage")
    ('d', 'd#1')
    """
    part = unit == "passage" and (_is_gold_part(passage, gold) or passage.document not in gold)
    return passage.id if part else passage.document


def check_known(qrels: Qrels, known: Container[str]) -> None:
    """Complain of gold that is not in the index.

    Parameters
    ----------
    qrels
        The gold of each question.
    known
        The ids of all documents and passages of the index.

    Raises
    ------
    InputError
        If some is not among them.
    """
    # A dict keeps the order of the questions, which a set would lose.
    unknown = list(dict.fromkeys(id for grades in qrels.values() for id in grades if id not in known))
    if unknown:
        shown = ", ".join(repr(id) for id in unknown[:_SHOWN_IDS])
        more = ", ..." if len(unknown) > _SHOWN_IDS else ""
        raise InputError(
            f"{len(unknown)} gold ids are not in the index: {shown}{more}; index the corpus that the questions belong "
            "to, and see that none of its passages were skipped"
        )


def _is_gold_part(passage: Passage, gold: Container[str]) -> bool:
    return passage.id != passage.document and passage.id in gold
