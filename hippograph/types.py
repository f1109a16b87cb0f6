"""The nouns that every part of hippograph shares: frozen records without behaviour.

A *document* is what was loaded; a *passage* is the piece of it that is indexed, retrieved and cited. An *extraction* is
what was read out of one passage. A *ranking* is the answer to one query: *hits* in order, the *evidence* behind them,
and how long each step took.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
"""Vectors and edge weights at rest: float32."""

DoubleArray: TypeAlias = NDArray[np.float64]
"""Probabilities during a walk: float64, because float32 cannot reach the tolerances."""

IntArray: TypeAlias = NDArray[np.int64]

Scalar: TypeAlias = str | int | float | bool
"""A metadata value."""

TextRole: TypeAlias = Literal["query", "passage", "entity", "triple"]
"""What a text is to an embedder; some models prefix one role and not another."""

ExtractionStatus: TypeAlias = Literal["done", "empty", "invalid", "failed"]
"""`empty`: read, and nothing found; `invalid`: the model's output could not be used; `failed`: it never answered."""

NodeKind: TypeAlias = Literal["entity", "passage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A text as it was loaded.

    Parameters
    ----------
    id
        Names the document in the index; indexing the same id again replaces it.
    text
        The whole text, which `Passage.span` counts in.
    title
        What the document is about; may be empty.
    source
        The file it was read from, as the user named it; empty for documents made in memory.
    metadata
        Flat facts about the document.

    Examples
    --------
    >>> Document(id="oslo", title="Oslo", text="Oslo is the capital of Norway.").id
    'oslo'
    """

    id: str
    text: str
    title: str = ""
    source: str = ""
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of a document: what is indexed, retrieved and cited.

    Parameters
    ----------
    id
        The document's id when the document fits in one passage, else that id, `#` and the position.
    document
        The id of the document it was cut from.
    text
        The text itself, without the title.
    title
        The document's title.
    source
        The document's source.
    span
        First and one-past-last character of `text` in the document's text.
    page
        The page it starts on, for paginated sources.
    metadata
        The document's metadata.
    """

    id: str
    document: str
    text: str
    title: str = ""
    source: str = ""
    span: tuple[int, int] = (0, 0)
    page: int | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def headed_text(self) -> str:
        r"""The text under its title: what is embedded and searched.

        Examples
        --------
        >>> Passage(id="1", document="1", title="Oslo", text="A capital.").headed_text
        'Oslo\nA capital.'
        """
        return f"{self.title}\n{self.text}" if self.title else self.text


class Triple(NamedTuple):
    """A fact as three phrases: subject, relation, object."""

    subject: str
    relation: str
    object: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a model was asked to do, and what it cost.

    Parameters
    ----------
    calls
        Requests made, those that failed included.
    items
        Texts processed in them.
    input_tokens, output_tokens
        Model tokens read and written, as the model counts them; else 0.
    reused
        Answers that were taken from a store of earlier ones, without a request.
    seconds
        Wall time spent waiting for the model.
    cost
        US dollars by the price table; 0 for models that it does not list.

    Examples
    --------
    >>> (Usage(calls=1, input_tokens=300, output_tokens=20) + Usage(calls=2, input_tokens=100)).tokens
    420
    """

    calls: int = 0
    items: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reused: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            calls=self.calls + other.calls,
            items=self.items + other.items,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reused=self.reused + other.reused,
            seconds=self.seconds + other.seconds,
            cost=self.cost + other.cost,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What one passage was found to say.

    Parameters
    ----------
    status
        Whether the extractor found something, found nothing, gave unusable output or did not answer.
    entities
        Names as written in the passage, repeated as often as they are mentioned.
    triples
        Facts as written in the passage.
    error
        What went wrong, when the status is `invalid` or `failed`.
    usage
        What was spent on it; it does not count when extractions are compared.
    """

    status: ExtractionStatus
    entities: tuple[str, ...] = ()
    triples: tuple[Triple, ...] = ()
    error: str = ""
    usage: Usage = field(default_factory=Usage, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedItem:
    """Something that could not be indexed, with its place and the reason.

    Parameters
    ----------
    where
        The file, and the line or position in it.
    reason
        What is wrong and what to do about it.
    harmless
        Whether the index lacks nothing for it: a repeated document, a picture in a folder of texts.
    path
        The absolute path of the file or folder that it is or stands in; empty if there is none.
    """

    where: str
    reason: str
    harmless: bool = False
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A node at which the walk restarts.

    Parameters
    ----------
    node
        The entity's name or the passage's id.
    kind
        Which of the two it is.
    weight
        Its share of the restart distribution, 0 to 1.
    reason
        Why it was seeded: `mention`, `similar name`, `triple`, `title` or `dense`; several are joined by `, `.
    """

    node: str
    kind: NodeKind
    weight: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedTriple:
    """A triple of the index near the query.

    Parameters
    ----------
    triple
        The fact.
    similarity
        Cosine to the query, -1 to 1.
    kept
        Whether it seeded the walk.
    """

    triple: Triple
    similarity: float
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkReport:
    """How a walk ended.

    Parameters
    ----------
    engine
        `exact` (power iteration) or `push` (local forward push).
    iterations
        Matrix products, or rounds of pushes.
    residual
        `exact`: the last L1 change; `push`: the largest residual per unit of degree, the certificate's bound.
    """

    engine: Literal["exact", "push"]
    iterations: int
    residual: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why a ranking is as it is.

    Parameters
    ----------
    seeds
        Where the walk restarted, heaviest first; empty for retrievers that do not walk.
    triples
        Facts near the query, nearest first.
    walk
        How the walk ended; None for retrievers that do not walk.
    """

    seeds: tuple[Seed, ...] = ()
    triples: tuple[LinkedTriple, ...] = ()
    walk: WalkReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A retrieved passage and its score; scores compare within one ranking only."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The answer to one query.

    Parameters
    ----------
    query
        The query as asked.
    hits
        Passages, best first; equal scores are ordered by passage id.
    evidence
        Why.
    timings
        Milliseconds by step.
    """

    query: str
    hits: tuple[Hit, ...]
    evidence: Evidence = field(default_factory=Evidence)
    timings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that a reader did on its way to an answer.

    Parameters
    ----------
    kind
        `retrieve`, or the name of the prompt that the model was given: `answer`.
    query
        What was looked for, or the question that the model was given.
    hits
        The passages found, or shown to the model, best first.
    text
        What the model said of it.
    note
        What went wrong, or was mended on the way; empty if nothing.
    usage
        What the model spent on it.
    seconds
        Wall time.
    """

    kind: str
    query: str
    hits: tuple[Hit, ...] = ()
    text: str = ""
    note: str = ""
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a reader makes of a question.

    Parameters
    ----------
    question
        The question as asked.
    text
        The answer; empty if the model gave none.
    complete
        Whether the model found what was needed for it; if not, `text` is its best guess.
    citations
        The passages that the answer rests on, in the order of their ranks; each was shown to the model.
    steps
        How it came about.
    usage
        What was spent on it, all steps together.
    error
        Why there is no answer, if the model failed.
    """

    question: str
    text: str
    complete: bool
    citations: tuple[Passage, ...] = ()
    steps: tuple[Step, ...] = ()
    usage: Usage = field(default_factory=Usage)
    error: str = ""
