"""Models for commands that are run in this process."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder, OverlapCrossEncoder


@pytest.fixture(autouse=True, scope="module")
def judge() -> Iterator[None]:
    """A judge of passages that need not be loaded for every command; the real one judges in processes of their own."""
    with patch("hippograph.hippograph.default_cross_encoder", OverlapCrossEncoder):
        yield


@pytest.fixture(scope="module")
def doubles() -> Iterator[None]:
    """An embedder and an extractor that need not be loaded either."""
    with (
        patch("hippograph.cli.models.OnnxEmbedder", lambda path: HashingEmbedder()),
        patch("hippograph.composition.SpacyExtractor", CapitalsExtractor),
    ):
        yield
