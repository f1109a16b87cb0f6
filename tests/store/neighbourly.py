"""An embedder whose vectors, in batches, depend on the texts of the batch, as an 8-bit model's do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hippograph.testing.doubles import HashingEmbedder
from hippograph.types import FloatArray, TextRole


@dataclass(frozen=True)
class NeighbourlyEmbedder:
    """Embeds, in batches, each text with all of its batch; notes what it is asked for, and fails when told to."""

    inner: HashingEmbedder = field(default_factory=HashingEmbedder)
    asked: list[tuple[TextRole, tuple[str, ...]]] = field(default_factory=list)
    fails_at: str | None = None

    @property
    def fingerprint(self) -> str:
        return self.inner.fingerprint

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    def embed(self, texts: Sequence[str], *, role: TextRole) -> FloatArray:
        return self.inner.embed(texts, role=role)

    def embed_batched(self, texts: Sequence[str], *, role: TextRole, batch: int) -> FloatArray:
        if self.fails_at in texts:
            raise KeyboardInterrupt
        slices = [tuple(texts[at : at + batch]) for at in range(0, len(texts), batch)]
        self.asked.extend((role, beside) for beside in slices)
        return np.concatenate([self.together(*beside) for beside in slices])

    def together(self, *beside: str) -> FloatArray:
        """Embed the texts of one batch."""
        return self.inner.embed([f"{text} {' '.join(beside)}" for text in beside], role="passage")
