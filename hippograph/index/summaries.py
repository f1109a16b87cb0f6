"""Who summarises, what is summarised, and how: a language model; `summary_sentences` does it without one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, field_validator

from hippograph.completions import Completion, ModelRequest, Sampling
from hippograph.errors import InputError, ModelError
from hippograph.models.dialogues import Dialogue, converse
from hippograph.models.prices import Price
from hippograph.prompts.prompt import Prompt, load_prompt, quoted
from hippograph.protocols import LanguageModel
from hippograph.store.layers_manifest import LayerName
from hippograph.text.sentences import sentence_spans
from hippograph.text.token_estimate import estimate_tokens
from hippograph.types import Usage

__all__ = ["LLMSummariser", "SummarisedText", "Summariser", "Summary", "SummaryRequest", "SummarySizes", "within"]

# A request that is too long for the model is halved at most this often.
_HALVINGS: Final = 3
_WORDS_PER_TOKEN: Final = 0.75
# An answer's JSON, and models that count words badly: what is too long is cut at a sentence, not lost.
_SLACK: Final = 3


class SummarisedText(NamedTuple):
    """A passage, or a summary of some."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRequest:
    """What is to be summarised.

    Parameters
    ----------
    layer
        Where the summary belongs.
    texts
        Its children, in their order: those of a cluster the most typical first, those of an episode as they stand.
    """

    layer: LayerName
    texts: tuple[SummarisedText, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What came of a request.

    Parameters
    ----------
    status
        `done`; `invalid` if the answer could not be used; `failed` if there was none.
    text
        The summary; empty unless `done`.
    error
        What went wrong.
    usage
        What was spent on it.
    """

    status: Literal["done", "invalid", "failed"]
    text: str = ""
    error: str = ""
    usage: Usage = field(default_factory=Usage, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SummarySizes:
    """How long summaries may be, in tokens.

    Parameters
    ----------
    semantic
        Of a cluster; RAPTOR and ComoRAG have 100.
    episodic
        Of an episode; ComoRAG has 500.

    Raises
    ------
    InputError
        If one is below 16.
    """

    semantic: int = 100
    episodic: int = 500

    def __post_init__(self) -> None:
        for name in ("semantic", "episodic"):
            if getattr(self, name) < 16:
                raise InputError(f"{name} is {getattr(self, name)}; let a summary have at least 16 tokens")

    def of(self, layer: LayerName) -> int:
        """Return how long the summaries of a layer may be."""
        return self.semantic if layer == "semantic" else self.episodic


@runtime_checkable
class Summariser(Protocol):
    """Summarises texts."""

    @property
    def fingerprint(self) -> str:
        """Names everything that changes the summaries: rules, model, prompt."""
        ...

    def summarise(self, requests: Iterable[SummaryRequest]) -> Iterator[tuple[int, Summary]]:
        """Yield the number of each request, in the order drawn, with its summary as soon as it is there, in any order.

        Requests are drawn as they can be worked on: who gives them may end early.
        """
        ...

    def expected(self, request: SummaryRequest) -> Usage:
        """Return what a summary is expected to take; nothing of who asks no model."""
        ...


class SummaryAnswer(BaseModel):
    """The form in which a language model answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    summary: str

    @field_validator("summary")
    @classmethod
    def _says_something(cls, summary: str) -> str:
        words = " ".join(summary.split())
        if not words:
            raise ValueError("the summary is empty; write what the texts say")
        return words


@dataclass(frozen=True, kw_only=True)
class LLMSummariser:
    """Summarise with a language model, one call a summary.

    Many are made at a time. What texts say is data: they are handed over as JSON strings. An answer that is longer than
    it may be is cut after its last whole sentence; if the request was too long for the model, it is tried with half of
    the texts, and half of those.

    Parameters
    ----------
    model
        Any language model.
    sizes
        How long summaries may be.
    window
        Tokens of texts in a request at most, estimated; of what is longer, the last texts are cut. An episode of 20
        passages of 500 tokens has 10,000.
    sampling
        How the model chooses its words; how many there may be follows from `sizes`.

    Raises
    ------
    InputError
        If `window` is below 64.

    References
    ----------
    Sarthi et al., "RAPTOR", ICLR 2024; Wang et al., "ComoRAG", 2025.

    Examples
    --------
    >>> from hippograph.testing.scripted import ScriptedModel
    >>> summariser = LLMSummariser(model=ScriptedModel(answers=['{"summary": "Two towns of Norway."}']))
    >>> texts = (SummarisedText("Oslo", "A town of Norway."), SummarisedText("Bergen", "Another one."))
    >>> [(number, summary)] = summariser.summarise([SummaryRequest(layer="semantic", texts=texts)])
    >>> number, summary.status, summary.text
    (0, 'done', 'Two towns of Norway.')
    """

    model: LanguageModel
    sizes: SummarySizes = field(default_factory=SummarySizes)
    window: int = 12_000
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        if self.window < 64:
            raise InputError(f"window is {self.window}; give at least 64 tokens")

    @property
    def prompt(self) -> Prompt:
        """What the model is told."""
        return load_prompt("summarise")

    @property
    def fingerprint(self) -> str:
        """Names the model, the prompt and how words are chosen."""
        drawn = f"t{self.sampling.temperature:g}:p{self.sampling.top_p:g}:s{self.sampling.seed}"
        sizes = f"{self.sizes.semantic}:{self.sizes.episodic}:{self.window}"
        return f"llm:{self.model.fingerprint}:{self.prompt.name}-{self.prompt.digest}:{drawn}:{sizes}"

    def summarise(self, requests: Iterable[SummaryRequest]) -> Iterator[tuple[int, Summary]]:
        """Yield the number of each request, in the order drawn, with its summary as soon as the model has answered.

        Raises
        ------
        ModelError
            If something is wrong that concerns all: a wrong key, no such model, no server.
        """
        yield from converse(self.model, (self._summarise(request) for request in requests))

    def expected(self, request: SummaryRequest) -> Usage:
        """Expect what a summary takes, and what that costs if the model's price is known; often off by a quarter."""
        messages = self._request(request, window=self.window).messages
        read = sum(estimate_tokens(message.text) for message in messages)
        work = Usage(calls=1, items=1, input_tokens=read, output_tokens=self.sizes.of(request.layer))
        model: object = self.model
        while not hasattr(model, "price") and hasattr(model, "model"):
            model = model.model
        price = getattr(model, "price", None)
        if not isinstance(price, Price):
            return work
        share = getattr(model, "price_share", 1.0)
        return replace(work, cost=share * price.cost(work.input_tokens, work.output_tokens))

    def _summarise(self, request: SummaryRequest) -> Dialogue[Summary]:
        window, spent = self.window, Usage()
        for _ in range(_HALVINGS + 1):
            (answer,) = yield [self._request(request, window=window)]
            spent += answer.usage
            if answer.status == "done" or answer.finish_reason != "length":
                break
            longest = sum(estimate_tokens(_written(text)) for text in request.texts)
            window = min(window, longest) // 2
        return self._summary(request, answer, spent)

    def _summary(self, request: SummaryRequest, answer: Completion, spent: Usage) -> Summary:
        value = answer.value
        if answer.status != "done":
            return Summary(status=answer.status, error=answer.error, usage=spent)
        if not isinstance(value, SummaryAnswer):
            raise ModelError(f"the model {self.model.fingerprint} gave {value!r} for an answer; it must be a summary")
        return Summary(status="done", text=_shortened(value.summary, self.sizes.of(request.layer)), usage=spent)

    def _request(self, request: SummaryRequest, *, window: int) -> ModelRequest:
        tokens = self.sizes.of(request.layer)
        texts = [
            {"title": title, "text": text} if title else {"text": text} for title, text in within(request.texts, window)
        ]
        return ModelRequest(
            messages=self.prompt.fill(words=str(round(_WORDS_PER_TOKEN * tokens)), texts=quoted(texts)),
            schema=SummaryAnswer,
            sampling=replace(self.sampling, max_tokens=_SLACK * tokens),
        )


def within(texts: Sequence[SummarisedText], tokens: int) -> list[SummarisedText]:
    """Take texts, the first ones first, as long as they fit; of the one that does not, its first sentences.

    Of the first text, its first words are taken if not even a sentence fits.

    Parameters
    ----------
    texts
        The texts.
    tokens
        How many tokens there may be, estimated.

    Examples
    --------
    >>> texts = [SummarisedText("", "Oslo is old."), SummarisedText("", "Rome is older. It is in Italy."), ("", "No.")]
    >>> [text for _, text in within(texts, 8)]
    ['Oslo is old.', 'Rome is older.']
    """
    taken: list[SummarisedText] = []
    room = tokens
    for one in texts:
        size = estimate_tokens(_written(one))
        if size <= room:
            taken.append(one)
            room -= size
            continue
        title, text = one
        spans = sentence_spans(text)
        ends = [end for _, end in spans]
        kept = next((end for end in reversed(ends) if estimate_tokens(_written((title, text[:end]))) <= room), 0)
        if kept:
            taken.append(SummarisedText(title, text[:kept]))
        elif not taken:
            taken.append(SummarisedText(title, _first_words(text, room)))
        break
    return taken


def _written(text: tuple[str, str]) -> str:
    return " ".join(filter(None, text))


def _first_words(text: str, tokens: int) -> str:
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if estimate_tokens(text[:middle]) <= tokens else (low, middle - 1)
    cut = text[:low]
    return cut.rpartition(" ")[0] or cut if low < len(text) else cut


def _shortened(text: str, tokens: int) -> str:
    """Cut a summary after the last whole sentence that fits, or, if none does, after its last word."""
    ((_, shortened),) = within([SummarisedText("", text)], tokens)
    return shortened
