"""A reader without a language model: sentences are scored, and the answer is taken from them as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar, Final

from hippograph.errors import InputError
from hippograph.protocols import CrossEncoder
from hippograph.readers.answering import Loop
from hippograph.readers.desk import Desk, Draft
from hippograph.readers.desk_reader import DeskReader
from hippograph.readers.extracting.candidates import Scene
from hippograph.readers.extracting.close_reading import Extract, extracted, scene_of
from hippograph.readers.extracting.mentions import MentionFinder
from hippograph.readers.extracting.spacy_mentions import installed_mentions
from hippograph.types import Hit, Passage, Step

__all__ = ["ExtractiveReader"]

_LEXICAL: Final = "no cross-encoder: sentences count by the words that they share with the question"
# Pairs that are scored between two looks at the clock.
_BLOCK: Final = 8
# Retrieving, scoring sentences, and choosing.
_STEPS: Final = 3
# Sentences that a step tells.
_SHOWN: Final = 8


@dataclass(frozen=True, kw_only=True)
class ExtractiveReader(DeskReader):
    """Answer a question with words of the passages, without a language model.

    The kind of thing that is asked for is told from the question. The sentences of the passages are scored, names,
    dates, numbers and phrases of that kind are found in them, and what speaks for each is weighed: how well its
    sentence and its place there fit the question, and whether its passage is about what the question names, or about
    what that leads to. Of two things that are compared, the same is looked up of both. Where nothing of the kind is
    found, the best sentence is the answer.

    The words are English; questions in other languages are answered with a sentence.

    Parameters
    ----------
    retriever
        Finds the passages.
    cross_encoder
        Scores sentences; None counts the words that they share with the question, and every answer says so.
    k
        How many passages are looked up.
    sentences
        How many of their sentences are scored and read closely.
    least_score
        The evidence is not enough if the cross-encoder gives no sentence more than this.
    least_certainty
        Nor is it if the answer's share among all that might be it is below this, 0 to 1.
    mentions
        Finds names and phrases; None takes spaCy if it is installed, else runs of capitalised words.
    budget
        What the reading of a question may spend; it makes no calls.

    Raises
    ------
    InputError
        If a number is out of range.

    Examples
    --------
    >>> from hippograph.readers.extracting.mentions import written_mentions
    >>> from hippograph.types import Ranking
    >>> class Nearest:
    ...     def retrieve(self, queries, *, k):
    ...         text = "She is a ship. The Fram was built by Colin Archer."
    ...         hit = Hit(passage=Passage(id="fram", document="fram", title="Fram", text=text), score=1.0)
    ...         return [Ranking(query=query, hits=(hit,)) for query in queries]
    >>> answer = ExtractiveReader(retriever=Nearest(), mentions=written_mentions).read("Who built the Fram?")
    >>> answer.text, answer.reader, [passage.id for passage in answer.citations]
    ('Colin Archer', 'extractive', ['fram'])
    """

    name: ClassVar[str] = "extractive"

    k: int = 10
    cross_encoder: CrossEncoder | None = None
    sentences: int = 32
    least_score: float = -4.0
    least_certainty: float = 0.2
    mentions: MentionFinder | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sentences < 1:
            raise InputError(f"sentences is {self.sentences}; give at least 1")
        if not 0.0 <= self.least_certainty <= 1.0:
            raise InputError(f"least_certainty is {self.least_certainty}; give a share from 0 to 1")

    def _loop(self, desk: Desk) -> Loop:
        [found] = desk.look_up([desk.question], k=self.k)
        yield found
        desk.evidence = found.hits
        if not found.hits:
            return Draft(text="")
        started = perf_counter()
        scene = self._scene(desk, found.hits)
        seconds = perf_counter() - started
        if self.budget.steps is None or self.budget.steps >= _STEPS:
            yield _told(scene, found.hits, seconds=seconds, remark="" if self.cross_encoder else _LEXICAL)
        started = perf_counter()
        extract = extracted(scene, mentions=self.mentions or installed_mentions())
        if extract is None:
            return Draft(text="")
        draft = Draft(
            text=extract.text, citations=_cited(extract, found.hits), sufficient=self._is_enough(scene, extract)
        )
        yield _chosen(desk.question, extract, found.hits, draft, seconds=perf_counter() - started)
        return draft

    def _scene(self, desk: Desk, hits: tuple[Hit, ...]) -> Scene:
        encoder = self.cross_encoder

        def score(pairs: Sequence[tuple[str, str]]) -> list[float]:
            scores: list[float] = []
            for start in range(0, len(pairs), _BLOCK):
                desk.check_time()
                scores += encoder.score(pairs[start : start + _BLOCK]).tolist() if encoder else []
            return scores

        passages = [hit.passage for hit in hits]
        return scene_of(desk.question, passages, score=score if encoder else None, most=self.sentences)

    def _is_enough(self, scene: Scene, extract: Extract) -> bool:
        # Without a cross-encoder nothing tells how near a sentence is; that it shares words is the least.
        near = scene.best >= self.least_score if self.cross_encoder else max(scene.cover, default=0.0) > 0
        return near and extract.certainty >= self.least_certainty


def _cited(extract: Extract, hits: tuple[Hit, ...]) -> tuple[Passage, ...]:
    places = sorted({line.place for line in extract.lines})
    return tuple(hits[place].passage for place in places)


def _told(scene: Scene, hits: tuple[Hit, ...], *, seconds: float, remark: str) -> Step:
    values = scene.cover if remark else scene.scores
    order = sorted(range(len(scene.lines)), key=lambda at: (-values[at], at))[:_SHOWN]
    text = "\n".join(f"{values[at]:.2f}  {scene.lines[at].headed}" for at in order)
    shown = sorted({scene.lines[at].place for at in order})
    return Step(
        kind="sentences",
        query=scene.wording.question,
        hits=tuple(hits[place] for place in shown),
        text=text,
        decision="go on",
        reason=f"asked for: {scene.type.kind}",
        remark=remark,
        seconds=seconds,
    )


def _chosen(question: str, extract: Extract, hits: tuple[Hit, ...], draft: Draft, *, seconds: float) -> Step:
    return Step(
        kind=extract.kind,
        query=question,
        hits=tuple(hits[place] for place in sorted({line.place for line in extract.lines})),
        text=draft.text,
        decision="stop",
        reason=f"{extract.reason}; certainty {extract.certainty:.2f}",
        seconds=seconds,
    )
