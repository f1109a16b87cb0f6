"""Where documents come from: files, folders, and documents made in memory, as one stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path, PurePath

from hippograph.errors import InputError
from hippograph.index.formats import SUFFIXES, Loaded, SourceFile, checked, printable, read_file
from hippograph.types import Document, Passage, SkippedItem

__all__ = ["load"]

_READABLE = f"hippograph reads {', '.join(SUFFIXES)}"


def load(sources: Sequence[str | Path | Document | Passage]) -> Iterator[Document | SkippedItem]:
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
    if isinstance(sources, str | bytes | PurePath | Document | Passage):
        raise InputError(f"sources is one {type(sources).__name__}; put it into a list")
    return _distinct(tuple(_opened(source) for source in sources))


def _opened(source: object) -> Path | Document:
    if isinstance(source, Document):
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
    return path


def _distinct(sources: Sequence[Path | Document]) -> Iterator[Document | SkippedItem]:
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
                yield document
            elif seen[name] == digest:
                reason = "the same document was given twice; the first was kept"
                yield SkippedItem(where=item.where, reason=reason, harmless=True)
            else:
                reason = (
                    f"the duplicate id {printable(document.id)} gives two different texts; the first was kept: give "
                    "one of them another id (the id of a text file is its path from the named folder on)"
                )
                yield SkippedItem(where=item.where, reason=reason)


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _items(source: Path | Document) -> Iterator[Loaded]:
    if isinstance(source, Document):
        yield checked(source, where=f"document {printable(str(source.id))}")
        return
    files = _folder_files(source) if source.is_dir() else iter((_classified(source, id=source.name, named=True),))
    for file in files:
        if isinstance(file, SkippedItem):
            yield file
        else:
            yield from read_file(file)


def _classified(path: Path, *, id: str, named: bool = False) -> SourceFile | SkippedItem:
    source = path.as_posix()
    where = printable(source)
    if not path.is_file():
        return SkippedItem(where=where, reason="is not a regular file; copy its content into one")
    if path.suffix.lower() not in SUFFIXES:
        reason = f"cannot be read: its suffix is {printable(path.suffix) or 'missing'}; {_READABLE}"
        # In a folder of texts, a picture is no loss; a file that was named was meant.
        return SkippedItem(where=where, reason=reason, harmless=not named)
    try:
        source.encode()
    except UnicodeEncodeError:
        return SkippedItem(where=where, reason="its path is not UTF-8, so it cannot be cited; rename it")
    return SourceFile(path=path, id=id, source=source)


def _folder_files(root: Path) -> Iterator[SourceFile | SkippedItem]:
    inside = root.resolve()
    top = inside.name if root.name in ("", "..") else root.name
    # A stack, not recursion: folders may be nested deeper than Python recurses.
    stack: list[Path] = [root]
    while stack:
        path = stack.pop()
        try:
            refusal = None if path == root else _refused_link(path, inside=inside)
            if refusal is not None:
                yield SkippedItem(where=printable(path.as_posix()), reason=refusal)
            elif path.is_dir():
                children, skipped = _children(path)
                yield from skipped
                stack.extend(reversed(children))
            else:
                yield _classified(path, id=(PurePath(top) / path.relative_to(root)).as_posix())
        except OSError as error:
            reason = f"cannot be read ({error.strerror}); make it readable"
            yield SkippedItem(where=printable(path.as_posix()), reason=reason)


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


def _children(folder: Path) -> tuple[list[Path], list[SkippedItem]]:
    children = sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)
    names = {path.name for path in children}
    if "corpus.jsonl" not in names or not ("queries.jsonl" in names or (folder / "qrels").is_dir()):
        return children, []
    reason = "lies in a BEIR folder, of which only corpus.jsonl is loaded; name it as a source to load it too"
    skipped = [
        SkippedItem(where=printable(path.as_posix()), reason=reason, harmless=True)
        for path in children
        if path.name not in ("corpus.jsonl", "queries.jsonl", "qrels")
    ]
    return [folder / "corpus.jsonl"], skipped
