"""What of the passages bears on a question: first whole passages, then sentences of them (Amber's content filter).

What is kept is told by the places of sentences in their passages, so that every word of it stands in the passage.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from hippograph.protocols import CrossEncoder
from hippograph.readers.tasks import Number, Numbers, listed
from hippograph.text.sentences import sentence_spans
from hippograph.types import Passage

__all__ = ["Kept", "SiftReply", "Thresholds", "excerpt", "kept_by_reply", "kept_by_scores", "numbered", "united"]

# Three looks at five passages of four sentences; the server is told an end, for small models find none.
_MOST_SENTENCES: Final = 60

Kept: TypeAlias = Mapping[str, tuple[int, ...]]
"""Of each passage, by its id, the places of the sentences that are kept, in order; none of passages that are not."""


class SiftReply(BaseModel):
    """What the model is to say to the task `sift`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    passages: Numbers
    sentences: Annotated[list[Number], Field(json_schema_extra={"maxItems": _MOST_SENTENCES})]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From which scores of a cross-encoder on something is kept, as logits.

    Measured with the cross-encoder of the `local` extra on the five best passages: by the question alone, -8 drops a
    quarter of the passages and keeps 82% (musique_train100) to 93% (2wiki_train500) of the gold ones, where 0 keeps 42%
    to 73%. Of gold passages, -5 keeps half of the text, and the sentence with the answer in 87% of them; once their own
    sub-question is asked, in 98%.

    Parameters
    ----------
    passage
        Of passages.
    sentence
        Of sentences; the best one of a passage that is kept is kept in any case.
    """

    passage: float = -8.0
    sentence: float = -5.0


def numbered(passages: Sequence[tuple[int, Passage]]) -> list[dict[str, object]]:
    """Lay passages out for the task `sift`: each with its number, and its sentences counted through all passages.

    Examples
    --------
    >>> ship = Passage(id="s", document="s", title="Fram", text="A ship. Built in Larvik.")
    >>> town = Passage(id="t", document="t", title="Larvik", text="A town.")
    >>> numbered([(3, ship), (7, town)])[1]
    {'number': 7, 'title': 'Larvik', 'sentences': {'3': 'A town.'}}
    """
    laid, before = [], 0
    for number, passage in passages:
        texts = [passage.text[first:last] for first, last in _spans(passage)]
        sentences = {str(before + place): text for place, text in enumerate(texts, start=1)}
        laid.append({"number": number, "title": passage.title, "sentences": sentences})
        before += len(texts)
    return laid


def kept_by_reply(
    reply: SiftReply, passages: Sequence[tuple[int, Passage]], *, unseen: Collection[str] = ()
) -> tuple[Kept, str]:
    """Read what the model keeps of passages laid out by `numbered`.

    A sentence of a passage that is dropped is dropped with it; a passage that is kept without any of its sentences is
    kept whole.

    Parameters
    ----------
    reply
        What the model says.
    passages
        What was laid out.
    unseen
        The ids of those passages that there was no room for.

    Returns
    -------
    What is kept, and a remark on numbers that were not there, which are dropped.

    Examples
    --------
    >>> ship = Passage(id="s", document="s", text="A ship. Built in Larvik.")
    >>> kept_by_reply(SiftReply(passages=[3], sentences=[2, 9]), [(3, ship)])
    ({'s': (1,)}, 'keeps what was not shown: sentence 9')
    """
    kept: dict[str, tuple[int, ...]] = {}
    wanted, before = set(reply.sentences), 0
    for number, passage in passages:
        count = len(_spans(passage))
        own = tuple(place for place in range(count) if before + place + 1 in wanted)
        if number in reply.passages and passage.id not in unseen:
            kept[passage.id] = own or tuple(range(count))
        before += count
    shown = {number for number, passage in passages if passage.id not in unseen}
    unknown = [f"passage {listed([number])}" for number in sorted(set(reply.passages) - shown)]
    unknown += [f"sentence {listed([number])}" for number in sorted(wanted) if not 1 <= number <= before]
    return kept, f"keeps what was not shown: {listed(unknown)}" if unknown else ""


def kept_by_scores(
    encoder: CrossEncoder, queries: Sequence[str], passages: Sequence[Passage], thresholds: Thresholds
) -> Kept:
    """Have a cross-encoder judge: what bears on any of the queries is kept; no language model is asked.

    Sentences are read under the title of their passage, which tells whom "she" means.

    Examples
    --------
    >>> from hippograph.testing.doubles import OverlapCrossEncoder
    >>> ship = Passage(id="s", document="s", text="A ship. Built in Larvik.")
    >>> town = Passage(id="t", document="t", text="A town.")
    >>> kept_by_scores(OverlapCrossEncoder(), ["built where?"], [ship, town], Thresholds(passage=-0.5, sentence=0))
    {'s': (1,)}
    """
    worth = _best(encoder, queries, [passage.headed_text for passage in passages])
    whole = [passage for passage, score in zip(passages, worth, strict=True) if score >= thresholds.passage]
    spans = [_spans(passage) for passage in whole]
    texts = [
        f"{passage.title}\n{passage.text[first:last]}".lstrip()
        for passage, own in zip(whole, spans, strict=True)
        for first, last in own
    ]
    scores = _best(encoder, queries, texts)
    kept: dict[str, tuple[int, ...]] = {}
    before = 0
    for passage, own in zip(whole, spans, strict=True):
        there = scores[before : before + len(own)]
        best = int(np.argmax(there))
        kept[passage.id] = tuple(
            place for place, score in enumerate(there) if score >= thresholds.sentence or place == best
        )
        before += len(own)
    return kept


def united(one: Kept, other: Kept) -> Kept:
    """Return what either keeps, in the order of the first, then of the second.

    Examples
    --------
    >>> united({"b": (1,)}, {"a": (0,), "b": (0, 1)})
    {'b': (0, 1), 'a': (0,)}
    """
    return {id: tuple(sorted({*one.get(id, ()), *other.get(id, ())})) for id in [*one, *other]}


def excerpt(passage: Passage, places: Sequence[int]) -> str:
    """Return sentences of a passage as they stand there, with a mark where others are left out between them.

    Examples
    --------
    >>> ship = Passage(id="s", document="s", text="A ship. Built in Larvik. Painted grey.  She sank.")
    >>> excerpt(ship, [0, 2, 3])
    'A ship. … Painted grey.  She sank.'
    """
    spans = _spans(passage)
    text = ""
    for before, place in zip([None, *places], places, strict=False):
        if before is not None:
            text += passage.text[spans[before][1] : spans[place][0]] if place == before + 1 else " … "
        text += passage.text[spans[place][0] : spans[place][1]]
    return text


def _spans(passage: Passage) -> list[tuple[int, int]]:
    """Return where the sentences are; a passage that has but a title has an empty one."""
    return sentence_spans(passage.text) or [(0, 0)]


def _best(encoder: CrossEncoder, queries: Sequence[str], texts: Sequence[str]) -> list[float]:
    """Score each text for the query that it suits best."""
    if not texts:
        return []
    scores = encoder.score([(query, text) for text in texts for query in queries])
    return [float(score) for score in scores.reshape(len(texts), len(queries)).max(axis=1)]
