"""Names and noun phrases as a spaCy pipeline finds them, for readers without a language model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hippograph.errors import ModelError
from hippograph.models.spacy_pipeline import find_pipeline, load_pipeline
from hippograph.models.weights import packaged_folder
from hippograph.readers.extracting.mentions import Mention, MentionFinder, MentionKind, written_mentions
from hippograph.text.function_words import is_grammar
from hippograph.text.normalization import normalize

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

__all__ = ["SpacyMentions", "installed_mentions"]

_KINDS: Final[dict[str, MentionKind]] = {
    "PERSON": "person", "GPE": "place", "LOC": "place", "FAC": "place", "ORG": "organisation", "NORP": "group",
    "WORK_OF_ART": "work", "EVENT": "work", "LAW": "work", "PRODUCT": "work", "LANGUAGE": "group",
}  # fmt: skip
_POSSESSIVES: Final = frozenset({"'s", "’s", "'", "’"})


@dataclass(frozen=True, kw_only=True)
class SpacyMentions:
    """Find names and noun phrases with a spaCy pipeline; loads it at the first use, and may be shared by threads.

    Parameters
    ----------
    pipeline
        As for `hippograph.models.spacy_pipeline.find_pipeline`.

    Examples
    --------
    >>> text = "Marie Curie was born in Warsaw."
    >>> [(text[start:end], kind) for start, end, kind in SpacyMentions()([text])[0]]
    [('Marie Curie', 'person'), ('Warsaw', 'place')]
    """

    pipeline: str | Path | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def __call__(self, texts: Sequence[str]) -> list[tuple[Mention, ...]]:
        """Return the names and noun phrases in each text, in order.

        Raises
        ------
        MissingExtraError
            If spaCy is not installed.
        ModelError
            If the pipeline is missing, altered or unreadable.
        """
        with self._lock:
            return [_mentions(doc) for doc in self._loaded.pipe(texts)]

    @cached_property
    def _loaded(self) -> Language:
        return load_pipeline(find_pipeline(self.pipeline))


def _mentions(doc: Doc) -> tuple[Mention, ...]:
    found: dict[tuple[int, int], MentionKind] = {}
    for name in doc.ents:
        if name.label_ in _KINDS:
            content = [
                word.i for word in name if not is_grammar(normalize(word.text)) and word.text not in _POSSESSIVES
            ]
            span = doc[content[0] : content[-1] + 1] if content else name
            trimmed = span.text.rstrip(" ,;–-")
            found.setdefault((span.start_char, span.start_char + len(trimmed)), _KINDS[name.label_])
    for chunk in doc.noun_chunks if doc.has_annotation("DEP") else ():
        first = next((word.i for word in chunk if not is_grammar(normalize(word.text))), chunk.end)
        span = doc[first : chunk.end]
        if span.text:
            kind: MentionKind = "name" if all(word.text[:1].isupper() for word in span) else "phrase"
            found.setdefault((span.start_char, span.end_char), kind)
    return tuple(Mention(start, end, kind) for (start, end), kind in sorted(found.items()))


@cache
def installed_mentions() -> MentionFinder:
    """Return spaCy's names and phrases if it is installed with a pipeline, else runs of capitalised words.

    Examples
    --------
    >>> installed_mentions()
    SpacyMentions(pipeline=None)
    """
    if packaged_folder("spacy") is None:
        return written_mentions
    try:
        find_pipeline()
    except ModelError:
        # Without a pipeline there are still runs of capitals; one that is there and damaged is told when it is loaded.
        return written_mentions
    return SpacyMentions()
