"""Where documents come from: files, folders, and documents made in memory, as one stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path, PurePath

from hippograph.errors import InputError
from hippograph.index.formats import SUFFIXES, Found, Loaded, SourceFile, checked, printable, read_file
from hippograph.index.origins import NamedSource
from hippograph.store.index_directory import CATALOG
from hippograph.types import Document, Passage, SkippedItem

__all__ = ["find", "load"]

_BESIDE = "lies in a BEIR folder, of which only corpus.jsonl is loaded; name it as a source to load it too"
_READABLE = f"hippograph reads {', '.join(SUFFIXES)}"


def load(sources: Sequence[str | Path | NamedSource | Document | Passage]) -> Iterator[Document | SkippedItem]:
    """Stream the documents of all sources; what cannot be indexed comes out with its place and the reason.

    A folder is read recursively in the order of its names. Hidden files and folders are ignored. A link to a file
    within the folder is followed; links to folders, and links that lead outside, are listed as skipped, so a corpus
    never makes hippograph read what lies beside it. In a BEIR folder (`corpus.jsonl` next to `queries.jsonl` or
    `qrels/`) only the corpus is loaded.

    The id of a JSON passage is its `id`, `_id` or `idx`; without one it is a digest of title and text, which does not
    depend on the file or the order. The id of a text file is its path from the named folder on (`docs/a.md` for the
    source `docs/`). The title of a Markdown file is its first heading; the title of a file without one is its name.
    NUL characters are removed from titles and texts; nulls in metadata are left out. A `Passage` becomes a document.

    Parameters
    ----------
    sources
        Paths, documents and passages, in any mixture.

    Returns
    -------
    Documents, each id once, and skipped items, in the order of the sources. Files are read as the stream is consumed.

    Raises
    ------
    InputError
        If a path does not exist or a source is none of these kinds; at once, before anything is read.

    Examples
    --------
    >>> oslo = Document(id="oslo", text="Oslo is the capital of Norway.")
    >>> for item in load([oslo, oslo, Document(id="blank", text="")]):
    ...     print(item.id if isinstance(item, Document) else item.reason)
    oslo
    the same document was given twice; the first was kept
    the text is blank; give it some text or leave it out
    """
    return (item.document if isinstance(item, Found) else item for item in find(sources))


def find(sources: Sequence[str | Path | NamedSource | Document | Passage]) -> Iterator[Loaded]:
    """Stream what `load` does, with the file that each document was found in.

    Parameters
    ----------
    sources
        As for `load`; a path may come with another name.

    Raises
    ------
    InputError
        As for `load`.
    """
    if isinstance(sources, str | bytes | PurePath | Document | Passage):
        raise InputError(f"sources is one {type(sources).__name__}; put it into a list")
    return _distinct(tuple(_opened(source) for source in sources))


def _opened(source: object) -> NamedSource | Document:
    if isinstance(source, Document | NamedSource):
        return source
    if isinstance(source, Passage):
        return Document(
            id=source.id, title=source.title, text=source.text, source=source.source, metadata=source.metadata
        )
    if not isinstance(source, str | Path):
        raise InputError(f"a source is a {type(source).__name__}; give a path, a Document or a Passage")
    if source == "":
        raise InputError("a source is an empty string; give a path, or '.' for the current folder")
    path = Path(source)
    try:
        exists = path.exists()
    except OSError as error:
        raise InputError(f"the source {printable(str(source))[:200]} cannot be opened: {error.strerror}") from error
    if not exists:
        raise InputError(f"the source {printable(str(source))} does not exist; check the path")
    return NamedSource(path=path, name=path.as_posix())


def _distinct(sources: Sequence[NamedSource | Document]) -> Iterator[Loaded]:
    # Digests instead of ids and texts: a corpus need not fit in memory.
    seen: dict[bytes, bytes] = {}
    for source in sources:
        for item in _items(source):
            if isinstance(item, SkippedItem):
                yield item
                continue
            document = item.document
            content = [document.title, document.text, dict(document.metadata)]
            name, digest = _digest(document.id), _digest(json.dumps(content, sort_keys=True))
            if name not in seen:
                seen[name] = digest
                yield item
            elif seen[name] == digest:
                reason = "the same document was given twice; the first was kept"
                yield SkippedItem(where=item.where, reason=reason, harmless=True, path=item.path)
            else:
                reason = (
                    f"the duplicate id {printable(document.id)} gives two different texts; the first was kept: give "
                    "one of them another id (the id of a text file is its path from the named folder on)"
                )
                yield SkippedItem(where=item.where, reason=reason, path=item.path)


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _items(source: NamedSource | Document) -> Iterator[Loaded]:
    if isinstance(source, Document):
        yield checked(source, where=f"document {printable(str(source.id))}")
        return
    if source.path.is_dir():
        files = _folder_files(source)
    else:
        files = iter((_classified(source.path, id=PurePath(source.name).name, source=source.name, named=True),))
    for file in files:
        if isinstance(file, SkippedItem):
            yield file
            continue
        path = str(file.path.absolute())
        for item in read_file(file):
            yield item._replace(path=path) if isinstance(item, Found) else replace(item, path=path)


def _skipped(path: Path, source: str, reason: str, *, harmless: bool = False) -> SkippedItem:
    return SkippedItem(where=printable(source), reason=reason, harmless=harmless, path=str(path.absolute()))


def _classified(path: Path, *, id: str, source: str, named: bool = False) -> SourceFile | SkippedItem:
    if not path.is_file():
        return _skipped(path, source, "is not a regular file; copy its content into one")
    if path.suffix.lower() not in SUFFIXES:
        reason = f"cannot be read: its suffix is {printable(path.suffix) or 'missing'}; {_READABLE}"
        # In a folder of texts, a picture is no loss; a file that was named was meant.
        return _skipped(path, source, reason, harmless=not named)
    try:
        source.encode()
    except UnicodeEncodeError:
        return _skipped(path, source, "its path is not UTF-8, so it cannot be cited; rename it")
    return SourceFile(path=path, id=id, source=source)


def _folder_files(root: NamedSource) -> Iterator[SourceFile | SkippedItem]:
    inside = root.path.resolve()
    name = PurePath(root.name).name
    top = inside.name if name in ("", "..") else name
    # A stack, not recursion: folders may be nested deeper than Python recurses.
    stack: list[Path] = [root.path]
    while stack:
        path = stack.pop()
        below = path.relative_to(root.path)
        source = (PurePath(root.name) / below).as_posix()
        try:
            refusal = None if path == root.path else _refused_link(path, inside=inside)
            if refusal is not None:
                yield _skipped(path, source, refusal)
            elif not path.is_dir():
                yield _classified(path, id=(PurePath(top) / below).as_posix(), source=source)
            elif path != root.path and (path / CATALOG).is_file():
                yield _skipped(path, source, "is an index of hippograph, not a source", harmless=True)
            else:
                children, others = _children(path)
                for other in others:
                    yield _skipped(other, (PurePath(source) / other.name).as_posix(), _BESIDE, harmless=True)
                stack.extend(reversed(children))
        except OSError as error:
            yield _skipped(path, source, f"cannot be read ({error.strerror}); make it readable")


def _refused_link(path: Path, *, inside: Path) -> str | None:
    if not path.is_symlink():
        return None
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # a circle of links is a RuntimeError before Python 3.13
        return "is a link that leads nowhere; mend or remove it"
    if not target.is_relative_to(inside):
        return "is a link that leads outside the folder; name its target as a source to load it"
    if target.is_dir():
        return "is a link to a folder, and links to folders are not followed; name its target as a source to load it"
    return None


def _children(folder: Path) -> tuple[list[Path], list[Path]]:
    """List what is to be read of a folder, and what lies beside the corpus of a BEIR folder."""
    children = sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)
    names = {path.name for path in children}
    if "corpus.jsonl" not in names or not ("queries.jsonl" in names or (folder / "qrels").is_dir()):
        return children, []
    others = [path for path in children if path.name not in ("corpus.jsonl", "queries.jsonl", "qrels")]
    return [folder / "corpus.jsonl"], others
