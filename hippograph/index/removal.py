"""Removal: which documents a user wants out of the index, and their going."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from hippograph.errors import InputError
from hippograph.index.origins import Origins
from hippograph.store.holdings import DocumentFacts
from hippograph.store.index_directory import Session
from hippograph.text.metadata_filter import MetadataFilter

__all__ = ["RemovalReport", "choose_documents", "emptied_sources"]


@dataclass(frozen=True, kw_only=True)
class RemovalReport:
    """What a removal did.

    Parameters
    ----------
    removed
        Ids of the documents that were removed, ascending.
    missing
        Ids that were asked for and are no document of the index, ascending.
    generation
        The published generation; 0 if nothing was ever published.
    """

    removed: tuple[str, ...]
    missing: tuple[str, ...]
    generation: int


def choose_documents(
    session: Session,
    ids: Sequence[str] = (),
    *,
    filter: MetadataFilter | None = None,
    source: str | Path | None = None,
) -> tuple[list[str], list[str]]:
    """Choose documents: those of some ids, and those that match a filter and a source.

    Parameters
    ----------
    session
        The index.
    ids
        Ids of documents.
    filter
        Chooses documents by their metadata.
    source
        Chooses the documents of a file, or of all files in a folder, which need not exist any more. Together with
        `filter`, both must hold.

    Returns
    -------
    The ids of the documents chosen, and the ids among `ids` that are no document; both ascending.

    Raises
    ------
    InputError
        If nothing is asked for, or `ids` is one string.
    """
    if isinstance(ids, str):
        raise InputError(f"ids is one string, {ids!r}; give a list of ids")
    if not ids and filter is None and source is None:
        raise InputError("nothing says which documents to delete; give ids, a filter or a source")
    wanted = set(ids)
    if filter is None and source is None:
        known = session.catalog.documents.records_of(wanted)
        return sorted(known), sorted(wanted.difference(known))
    origins = Origins(session.directory)
    chosen = []
    for facts in session.catalog.documents.facts():
        matches = filter is None or filter.matches(facts.metadata, id=facts.id, source=facts.source, title=facts.title)
        if source is not None:
            matches = matches and _is_from(facts, source, origins)
        if matches or facts.id in wanted:
            chosen.append(facts.id)
    return chosen, sorted(wanted.difference(chosen))


def _is_from(facts: DocumentFacts, source: str | Path, origins: Origins) -> bool:
    """Tell whether a document was read from a file or in a folder; given in memory, whether that is what it cites."""
    if facts.origin:
        return origins.within(facts.origin, origins.of(source))
    cited, asked = PurePath(facts.source), PurePath(source)
    return bool(asked.parts) and (cited == asked or asked in cited.parents)


def emptied_sources(session: Session) -> list[str]:
    """List the origins of the sources that exist no more and that no document is from."""
    origins = Origins(session.directory)
    lost = [origin for origin in session.catalog.sources.all() if not origins.path(origin).exists()]
    if not lost:
        return []
    held = {facts.origin for facts in session.catalog.documents.facts()}
    return [lost_one for lost_one in lost if not any(origins.within(origin, lost_one) for origin in held)]
