"""Vectors that retrievers need beyond the snapshot's: made at the first use, and kept beside it.

They can be made again from the catalog at any time, so nothing here is the truth of anything: a file that is damaged,
of another embedder or not there is replaced, and where none can be written there is a warning and no more. The files
hold digests of texts, never texts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from hippograph.errors import InputError
from hippograph.protocols import BatchEmbedder, Embedder
from hippograph.store.derived_files import DERIVED, DerivedFile
from hippograph.store.schema import digest_of_texts
from hippograph.store.vectors import rounded_rows, unit_rows, vector_key
from hippograph.types import FloatArray, TextRole

__all__ = ["DERIVED", "batched_vectors", "derived_vectors"]

_log = logging.getLogger("hippograph.store")

_MAGIC: Final = b"hippograph vectors 1\n"
_KEY_BYTES: Final = 16
# Texts that are embedded at a time; an interruption loses at most a quarter of the work, or so many.
_BLOCK: Final = 1024

_Halves = NDArray[np.float16]


def derived_vectors(
    directory: Path | None, kind: str, texts: Sequence[str], *, embedder: Embedder, role: TextRole, generation: int
) -> FloatArray:
    """Return the vectors of texts, of which those that are not known yet are embedded and kept.

    The first use and all later ones give the same, bit for bit, with a directory and without one. Threads and
    processes may do this at once; at worst some texts are then embedded twice.

    Parameters
    ----------
    directory
        The index directory; None keeps nothing.
    kind
        What the texts are, in lower-case letters: the name of the file, whose texts are pruned together.
    texts
        The texts, in any order; repeated ones are embedded once.
    embedder
        Embeds what is missing.
    role
        What the texts are to it.
    generation
        The number of the snapshot of whose kind these are all texts. While it is the current one, the vectors of other
        texts are deleted; who still reads a former one leaves them alone, and who reads a part of one, with number 0.

    Returns
    -------
    Shape (len(texts), d), rows of length 1, in the order of `texts`.

    Raises
    ------
    InputError
        If `kind` is no name, or the embedder gives vectors that are not of length 1.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from hippograph.testing.doubles import HashingEmbedder
    >>> with TemporaryDirectory() as folder:
    ...     options = dict(embedder=HashingEmbedder(), role="entity", generation=1)
    ...     first = derived_vectors(Path(folder), "phrases", ["oslo", "rome"], **options)
    ...     again = derived_vectors(Path(folder), "phrases", ["rome", "oslo"], **options)
    >>> first.shape, bool((first == again[::-1]).all())
    ((2, 64), True)
    """
    keys = [vector_key(role, text) for text in texts]
    file = _VectorFile(directory=directory, kind=kind, embedder=embedder.fingerprint, generation=generation)
    known = file.read()
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    embed = partial(embedder.embed, role=role)
    file.complete(known, _blocks(missing, _BLOCK), embed, wanted=frozenset(keys))
    return _rows(known, keys, embedder)


class BatchingEmbedder(Embedder, BatchEmbedder, Protocol):
    """An embedder that embeds in batches, too."""


def batched_vectors(
    directory: Path | None,
    kind: str,
    texts: Sequence[str],
    *,
    embedder: BatchingEmbedder,
    role: TextRole,
    batch: int,
    generation: int,
) -> FloatArray:
    """Return the vectors that texts have when they are embedded in batches, in the order given.

    A vector may depend on all texts of its batch, so those of other texts, or of the same in another order, are never
    taken: where anything has changed, everything is embedded anew.

    Parameters
    ----------
    directory
        The index directory; None keeps nothing.
    kind
        What the texts are, in lower-case letters: the name of the file. Another one than `derived_vectors` is given.
    texts
        The texts, in the order in which they are to be embedded; repeated ones are embedded once, where they first are.
    embedder
        Embeds them.
    role
        What the texts are to it.
    batch
        Texts in a batch.
    generation
        The number of the snapshot whose list this is. While it is the current one, the vectors of other lists are
        deleted.

    Returns
    -------
    Shape (len(texts), d), rows of length 1, in the order of `texts`.

    Raises
    ------
    InputError
        If `kind` is no name, `batch` is below 1, or the embedder gives vectors that are not of length 1.
    """
    if batch < 1:
        raise InputError(f"batch is {batch}; give at least 1 text")
    whole = digest_of_texts(role, str(batch), *dict.fromkeys(texts)).hex()
    keys = {text: digest_of_texts(whole, text) for text in texts}
    file = _VectorFile(directory=directory, kind=kind, embedder=embedder.fingerprint, generation=generation)
    known = file.read()
    # Of whole batches, so that those of an interrupted run and of the one that goes on are the same.
    blocks = _blocks({key: text for text, key in keys.items()}, batch * max(1, _BLOCK // batch))
    lacking = [block for block in blocks if not known.keys() >= block.keys()]
    embed = partial(embedder.embed_batched, role=role, batch=batch)
    file.complete(known, lacking, embed, wanted=frozenset(keys.values()))
    return _rows(known, [keys[text] for text in texts], embedder)


def _blocks(texts: Mapping[bytes, str], size: int) -> list[dict[bytes, str]]:
    waiting = list(texts.items())
    return [dict(waiting[at : at + size]) for at in range(0, len(waiting), size)]


def _rows(known: Mapping[bytes, _Halves], keys: Sequence[bytes], embedder: Embedder) -> FloatArray:
    if not keys:
        return np.empty((0, embedder.dimension), dtype=np.float32)
    return unit_rows(np.stack([known[key] for key in keys]))


@dataclass(frozen=True, kw_only=True)
class _VectorFile:
    """A file of vectors: the embedder's digest, two sizes, keys, rows.

    Parameters
    ----------
    directory
        The index directory; None for a file that never is.
    kind
        The name of the file.
    embedder
        The fingerprint of the embedder whose vectors they are.
    generation
        The snapshot that the vectors are for.
    """

    directory: Path | None
    kind: str
    embedder: str
    generation: int

    def __post_init__(self) -> None:
        if not (self.kind.isascii() and self.kind.isalpha() and self.kind.islower()):
            raise InputError(f"kind {self.kind!r} cannot name a file of vectors; give lower-case letters")

    def complete(
        self,
        known: dict[bytes, _Halves],
        blocks: Sequence[Mapping[bytes, str]],
        embed: Callable[[Sequence[str]], FloatArray],
        *,
        wanted: frozenset[bytes],
    ) -> None:
        """Embed texts, add their vectors, rounded, to what is known, and write it: at the end, and now and then before.

        Parameters
        ----------
        known
            The vectors that are known.
        blocks
            The texts that are not, by their keys; those of a block are embedded together.
        embed
            Does it.
        wanted
            The keys to keep in the end, if the snapshot is the current one.
        """
        count = sum(map(len, blocks))
        if count:
            _log.info("%d of %d %s are embedded for the first time", count, len(known) + count, self.kind)
        unsaved = 0
        for number, block in enumerate(blocks, start=1):
            texts = list(block.values())
            known.update(zip(block, rounded_rows(self.embedder, texts, embed(texts)), strict=True))
            unsaved += len(block)
            # Each time more, so that what is written grows with the work, not with its square.
            if 4 * unsaved >= len(known) and number < len(blocks):
                self.write(known, wanted=None)
                unsaved = 0
        if unsaved or (not wanted.issuperset(known) and self._file.is_current()):
            self.write(known, wanted=wanted)

    def read(self) -> dict[bytes, _Halves]:
        """Return what is known; nothing of a file that is damaged, of another embedder, or not there."""
        content = self._file.read()
        if content is None:
            return {}
        return self._parsed(content)

    def write(self, known: Mapping[bytes, _Halves], *, wanted: frozenset[bytes] | None) -> None:
        """Put vectors in place of the file, with those that others have put there since; or say that it cannot be done.

        Parameters
        ----------
        known
            The vectors.
        wanted
            The keys to keep, if the snapshot is the current one; None keeps all.
        """
        self._file.replace(lambda: self._written(self._merged(known, wanted)))

    def _merged(self, known: Mapping[bytes, _Halves], wanted: frozenset[bytes] | None) -> dict[bytes, _Halves]:
        # Asked for under the lock: who prunes for a later snapshot has not been here yet, or is seen to be.
        merged = self.read() | dict(known)
        if wanted is None or not self._file.is_current():
            return merged
        return {key: row for key, row in merged.items() if key in wanted}

    @property
    def _file(self) -> DerivedFile:
        return DerivedFile(
            directory=self.directory, name=f"{self.kind}.vectors", magic=_MAGIC, generation=self.generation
        )

    def _written(self, vectors: Mapping[bytes, _Halves]) -> bytes:
        keys = sorted(vectors)
        rows = np.stack([vectors[key] for key in keys]) if keys else np.empty((0, 0), dtype="<f2")
        sizes = np.array(rows.shape, dtype="<i8")
        return b"".join([digest_of_texts(self.embedder), sizes.tobytes(), *keys, rows.astype("<f2").tobytes()])

    def _parsed(self, content: memoryview) -> dict[bytes, _Halves]:
        if content[:_KEY_BYTES] != digest_of_texts(self.embedder):
            return {}
        count, dimension = np.frombuffer(content, dtype="<i8", count=2, offset=_KEY_BYTES).tolist()
        first = 2 * _KEY_BYTES
        last = first + count * _KEY_BYTES
        rows = np.frombuffer(content, dtype="<f2", offset=last).reshape(count, dimension)
        keys = bytes(content[first:last])
        return dict(zip((keys[at : at + _KEY_BYTES] for at in range(0, len(keys), _KEY_BYTES)), rows, strict=True))
