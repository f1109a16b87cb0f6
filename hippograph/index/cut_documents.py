"""Documents that come already cut: passages that name the document they are parts of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from hippograph.errors import InputError
from hippograph.index.formats import fault
from hippograph.index.origins import NamedSource
from hippograph.types import Document, Passage

__all__ = ["Source", "gather", "parts_of"]

Source: TypeAlias = str | Path | NamedSource | Document | Passage


def gather(sources: Sequence[Source]) -> tuple[list[str | Path | NamedSource | Document], Mapping[str, list[Passage]]]:
    """Put parts of a document together, so that it is indexed as one and cited by its parts.

    A passage that is a whole document (its id is its document's, it begins at 0 and has no page) becomes one, and is
    cut like any other if it is too long. All others stay as they are cut.

    Parameters
    ----------
    sources
        Paths, documents and passages.

    Returns
    -------
    The sources with documents in place of passages, each at the place of its first passage; and the parts of those
    that are cut, by document.

    Raises
    ------
    InputError
        If parts of one document share an id or differ in source or metadata, or one of them cannot be indexed.

    Examples
    --------
    >>> parts = [Passage(id=f"book:{page}", document="book", text=f"Page {page}.", page=page) for page in (1, 2)]
    >>> sources, cut = gather(["notes.txt", *parts])
    >>> [source if isinstance(source, str) else source.id for source in sources], [part.id for part in cut["book"]]
    (['notes.txt', 'book'], ['book:1', 'book:2'])
    """
    cut: dict[str, list[Passage]] = {}
    places: list[str | Path | NamedSource | Document | None] = []
    for source in sources:
        if not isinstance(source, Passage):
            places.append(source)
        elif _is_whole(source):
            places.append(_document(source.id, [source]))
        else:
            if source.document not in cut:
                places.append(None)
            cut.setdefault(source.document, []).append(source)
    for document, parts in cut.items():
        _check(document, parts)
    documents = iter([_document(document, parts) for document, parts in cut.items()])
    return [next(documents) if place is None else place for place in places], cut


def parts_of(document: Document, cut: Mapping[str, list[Passage]]) -> list[Passage] | None:
    """Return the parts a document came in, or None if it came whole, be it under the same id."""
    parts = cut.get(document.id)
    return parts if parts and document.text == _document(document.id, parts).text else None


def _is_whole(passage: Passage) -> bool:
    uncut = passage.page is None and passage.span in ((0, 0), (0, len(passage.text)))
    return uncut and passage.id == passage.document


def _document(id: str, parts: Sequence[Passage]) -> Document:
    first = parts[0]
    # What a cut document would be as one text is never stored; it tells whether anything has changed.
    text = first.text if _is_whole(first) else "\n\n".join(part.headed_text for part in parts)
    return Document(id=id, title=first.title, text=text, source=first.source, metadata=first.metadata)


def _check(document: str, parts: Sequence[Passage]) -> None:
    first = parts[0]
    ids: set[str] = set()
    for part in parts:
        where = f"the part {part.id!r} of document {document!r}"
        if part.id in ids:
            raise InputError(f"{where} comes twice; give one of the two another id")
        ids.add(part.id)
        if part.source != first.source or dict(part.metadata) != dict(first.metadata):
            raise InputError(
                f"{where} has another source or other metadata than {first.id!r}; give them the same, or make them "
                "documents of their own"
            )
        reason = fault(Document(id=part.id, title=part.title, text=part.text, metadata=part.metadata))
        if "\0" in part.headed_text:
            reason = "it holds a NUL character; remove it"
        if reason is not None:
            raise InputError(f"{where}: {reason}")
