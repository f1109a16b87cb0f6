"""What is indexed, and what is read out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hippograph.types.arrays import ExtractionStatus, Scalar

__all__ = ["Document", "Extraction", "Passage", "SkippedItem", "Triple", "Usage"]


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
