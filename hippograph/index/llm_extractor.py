"""Names and facts read by a language model."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from pydantic import BaseModel

from hippograph.completions import Completion, Message, ModelRequest, Sampling
from hippograph.errors import InputError, ModelError
from hippograph.index.estimate import Reading
from hippograph.index.llm_answers import Names, NamesAndTriples, Triples
from hippograph.models.dialogues import Dialogue, converse
from hippograph.models.prices import Price
from hippograph.prompts.prompt import Prompt, load_prompt, quoted
from hippograph.protocols import LanguageModel
from hippograph.text.chunking import SentenceChunker
from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import Document, Extraction, Passage, Triple, Usage

__all__ = ["LLMExtractor", "extraction_prompts"]

_Reading = Generator[Sequence[ModelRequest], list[Completion], "list[_Found]"]

# A piece of a passage whose answer was cut off is halved at most this often.
_HALVINGS: Final = 3
_SHORTEST: Final = 16


@dataclass(frozen=True, kw_only=True)
class LLMExtractor:
    """Extract names and triples with a language model, one call a passage.

    Passages are read independently of each other, as many at a time as the model works on. A passage that is longer
    than a window is read in pieces; so is one whose answer is cut off for its length. What a passage says is data: it
    is handed over as a JSON string, and whatever it orders can change no more than what is read out of itself.

    Parameters
    ----------
    model
        Any language model.
    calls
        1 asks for names and triples at once; 2 for the names first, then for triples about them, as HippoRAG does
        (`openie_openai.py`), at nearly twice the price.
    window
        Most tokens of a piece, counted as `SentenceChunker` does: words, marks, and characters of scripts without
        spaces.
    sampling
        How the model chooses its words.

    Raises
    ------
    InputError
        If `calls` is neither 1 nor 2, or `window` is below 16.

    References
    ----------
    HippoRAG (Gutiérrez et al., NeurIPS 2024), section 2.2 and appendix I: OpenIE by a language model.

    Examples
    --------
    >>> from hippograph.testing.scripted import ScriptedModel
    >>> script = ['{"entities": ["Oslo", "Norway"], "triples": [["Oslo", "is in", "Norway"]]}']
    >>> extractor = LLMExtractor(model=ScriptedModel(answers=script))
    >>> [(passage, found)] = extractor.extract([Passage(id="1", document="1", text="Oslo, Norway")])
    >>> found.entities, found.triples
    (('Oslo', 'Norway'), (Triple(subject='Oslo', relation='is in', object='Norway'),))
    """

    model: LanguageModel
    calls: Literal[1, 2] = 1
    window: int = 1500
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        if self.calls not in {1, 2}:
            raise InputError(
                f"calls is {self.calls}; it must be 1 (names and triples at once) or 2 (one after another)"
            )
        if self.window < _SHORTEST:
            raise InputError(f"window is {self.window}; give at least {_SHORTEST} tokens")

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """What the model is told, one prompt a call."""
        return extraction_prompts(self.calls)

    @property
    def fingerprint(self) -> str:
        """Names the model, the prompts and how words are chosen."""
        chosen = self.sampling
        drawn = f"t{chosen.temperature:g}:p{chosen.top_p:g}:s{chosen.seed}"
        digests = "+".join(f"{prompt.name}-{prompt.digest}" for prompt in self.prompts)
        return f"llm:{self.model.fingerprint}:{digests}:{drawn}:{chosen.max_tokens}:{self.window}"

    def extract(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Extraction]]:
        """Yield each passage with its extraction as soon as the model has answered.

        The extraction is `done`, or `empty` if the model has found nothing; `invalid` if its answers, or those on a
        piece of the passage, could not be used even when it was asked again; `failed` if it did not answer. What was
        found in the other pieces is kept in both cases.

        Raises
        ------
        ModelError
            If something is wrong that concerns all passages: a wrong key, no such model, no server.
        """
        drawn: list[Passage | None] = []

        def readings() -> Iterator[Dialogue[Extraction]]:
            for passage in passages:
                drawn.append(passage)
                yield self._read(passage)

        for number, extraction in converse(self.model, readings()):
            passage = drawn[number]
            if passage is None:
                raise ModelError(f"the passage number {number} was read twice")
            drawn[number] = None
            yield passage, extraction

    def expected(self, passage: Passage) -> Usage:
        """Expect what it takes to read a passage, and what that costs if the model's price is known.

        Off by a quarter as a rule; the sum over many passages by less (`hippograph.index.estimate`).
        """
        work = Reading(prompts=self.prompts, window=self.window).of(estimate_tokens(passage.headed_text))
        model: object = self.model
        while not hasattr(model, "price") and hasattr(model, "model"):
            model = model.model
        price = getattr(model, "price", None)
        if not isinstance(price, Price):
            return work
        share = getattr(model, "price_share", 1.0)
        return replace(work, cost=share * price.cost(work.input_tokens, work.output_tokens))

    def _read(self, passage: Passage) -> Dialogue[Extraction]:
        pieces = _cut(passage.text, self.window)
        found = yield from self._read_pieces(passage.title, pieces, halvings=_HALVINGS)
        return _merged(found)

    def _read_pieces(self, title: str, pieces: Sequence[str], *, halvings: int) -> _Reading:
        read = self._read_at_once if self.calls == 1 else self._read_in_two
        found = yield from read(title, pieces)
        for place, (piece, outcome) in enumerate(zip(pieces, found, strict=True)):
            if outcome.cut_off and halvings:
                halves = _halves(piece)
                if len(halves) > 1:
                    rest = yield from self._read_pieces(title, halves, halvings=halvings - 1)
                    found[place] = _joined(rest, spent=outcome.usage)
        return found

    def _read_at_once(self, title: str, pieces: Sequence[str]) -> _Reading:
        [prompt] = self.prompts
        answers = yield [
            self._request(prompt.fill(passage=_passage(title, piece)), NamesAndTriples) for piece in pieces
        ]
        return [_found(answer) for answer in answers]

    def _read_in_two(self, title: str, pieces: Sequence[str]) -> _Reading:
        name, relate = self.prompts
        first = yield [self._request(name.fill(passage=_passage(title, piece)), Names) for piece in pieces]
        found = [_found(answer) for answer in first]
        named = [place for place, outcome in enumerate(found) if outcome.status == "done" and outcome.entities]
        second = yield [
            self._request(
                relate.fill(passage=_passage(title, pieces[place]), names=quoted(list(found[place].entities))), Triples
            )
            for place in named
        ]
        for place, answer in zip(named, second, strict=True):
            found[place] = _joined([found[place], _found(answer)])
        return found

    def _request(self, messages: tuple[Message, ...], schema: type[BaseModel]) -> ModelRequest:
        return ModelRequest(messages=messages, schema=schema, sampling=self.sampling)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What came of a piece of a passage."""

    status: Literal["done", "invalid", "failed"]
    entities: tuple[str, ...] = ()
    triples: tuple[Triple, ...] = ()
    error: str = ""
    cut_off: bool = False
    usage: Usage = field(default_factory=Usage)


def extraction_prompts(calls: int) -> tuple[Prompt, ...]:
    """Return what a model is told that reads a passage in one call, or in two.

    Examples
    --------
    >>> [prompt.name for prompt in extraction_prompts(2)]
    ['name', 'relate']
    """
    return tuple(load_prompt(name) for name in (("extract",) if calls == 1 else ("name", "relate")))


def _found(answer: Completion) -> _Found:
    value = answer.value
    return _Found(
        status=answer.status,
        entities=tuple(value.entities) if isinstance(value, Names) else (),
        triples=value.as_triples() if isinstance(value, Triples) else (),
        error=answer.error,
        # Too long an answer, or too long a question for the model: half of the passage may do.
        cut_off=answer.status != "done" and answer.finish_reason == "length",
        usage=answer.usage,
    )


def _joined(found: Sequence[_Found], *, spent: Usage | None = None) -> _Found:
    """Make one of what came of several pieces; the worst status is that of all."""
    statuses = {one.status for one in found}
    return _Found(
        status="failed" if "failed" in statuses else "invalid" if "invalid" in statuses else "done",
        entities=tuple(dict.fromkeys(entity for one in found for entity in one.entities)),
        triples=tuple(dict.fromkeys(triple for one in found for triple in one.triples)),
        error="; ".join(dict.fromkeys(one.error for one in found if one.error)),
        cut_off=any(one.cut_off for one in found),
        usage=sum((one.usage for one in found), start=spent or Usage()),
    )


def _merged(found: Sequence[_Found]) -> Extraction:
    whole = _joined(found)
    nothing = whole.status == "done" and not whole.entities and not whole.triples
    return Extraction(
        status="empty" if nothing else whole.status,
        entities=whole.entities,
        triples=whole.triples,
        error=whole.error,
        usage=whole.usage,
    )


def _cut(text: str, window: int) -> list[str]:
    document = Document(id="passage", text=text)
    return [piece.text for piece in SentenceChunker(max_tokens=window).chunk(document)] or [text]


def _halves(text: str) -> list[str]:
    """Cut a text into two, or a few more, pieces of whole sentences; one piece if it is too short for that."""
    size = len(text)
    while size >= _SHORTEST:
        pieces = _cut(text, size)
        if len(pieces) > 1:
            return pieces
        size = size * 3 // 4
    return [text]


def _passage(title: str, text: str) -> str:
    return quoted({"title": title, "text": text} if title else {"text": text})
