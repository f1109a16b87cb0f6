"""Which models a command works with: made of the settings, when they are needed."""

from __future__ import annotations

from typing import Annotated

import typer

from hippograph.completions import Sampling
from hippograph.composition import extractor_named
from hippograph.config.settings import Settings
from hippograph.errors import IndexDirectoryError, InputError
from hippograph.index.absent_extractor import AbsentExtractor
from hippograph.models.onnx_embedder import OnnxEmbedder
from hippograph.models.prices import Price, PriceTable
from hippograph.protocols import Embedder, Extractor, LanguageModel
from hippograph.store.snapshot import open_snapshot

__all__ = [
    "FILTER_EXAMPLE",
    "FilterOption",
    "WaitOption",
    "embedder_of",
    "extractor_of",
    "language_model_of",
    "price_of",
    "sampling_of",
    "unpriced",
]

FILTER_EXAMPLE = '"year >= 2020 and not draft = true".'
FilterOption = Annotated[
    str | None,
    typer.Option("--filter", help=f"Documents to search, by their metadata: {FILTER_EXAMPLE}"),
]
WaitOption = Annotated[float, typer.Option(min=0, help="Seconds to wait while another process changes the index.")]


def price_of(settings: Settings, model: str | None) -> Price | None:
    """Return what a model costs, or None if the table does not list it.

    Raises
    ------
    InputError
        If the table of the user's cannot be read.
    """
    return None if model is None else PriceTable.load(settings.prices).of(model)


def unpriced(settings: Settings, model: str) -> str:
    """Say that a model has no price, and how to give it one."""
    where = f"to {settings.prices}" if settings.prices is not None else "to a file that `prices` names"
    return f'no price is known for {model!r}: add "{model}" = {{ input = 0.15, output = 0.60 }} {where}'


def sampling_of(settings: Settings) -> Sampling:
    """Say how the language model chooses its words."""
    llm = settings.llm
    return Sampling(max_tokens=llm.max_tokens, temperature=llm.temperature, top_p=llm.top_p, seed=llm.seed)


def language_model_of(settings: Settings) -> LanguageModel | None:
    """Make the language model, or None if none is named; nothing is connected or loaded yet.

    Raises
    ------
    InputError
        If OpenAI is to be asked without a key, or a budget in dollars is set for a model without a price.
    """
    llm = settings.llm
    if llm.model is None:
        return None
    price = price_of(settings, llm.model)
    if settings.budget.max_cost is not None and price is None:
        raise InputError(f"max_cost is set, and {unpriced(settings, llm.model)}, or set max_tokens instead")
    from hippograph.models.openai_chat import OpenAIChat
    from hippograph.models.pacing import Limits

    if llm.base_url is None and llm.api_key is None:
        raise InputError(
            f"there is no API key for {llm.model!r} at OpenAI; set OPENAI_API_KEY, or name another server with "
            "--llm-base-url"
        )
    limits = Limits(
        concurrency=llm.concurrency,
        requests_per_minute=llm.requests_per_minute,
        tokens_per_minute=llm.tokens_per_minute,
        attempts=llm.attempts,
        timeout=llm.timeout,
    )
    return OpenAIChat(
        model=llm.model,
        base_url=llm.base_url,
        api_key=llm.api_key,
        limits=limits,
        price=price,
        stream=llm.stream,
        extra_body=llm.extra_body,
    )


def embedder_of(settings: Settings) -> Embedder:
    """Make the embedder; nothing is connected or loaded yet."""
    return OnnxEmbedder(path=settings.embedder)


def extractor_of(settings: Settings) -> Extractor:
    """Make the extractor: the one that is set, else the one that the index was built with, else spaCy's.

    Raises
    ------
    InputError
        If it needs a language model, or a file, and none is named.
    """
    built = _built_with(settings) if settings.extractor is None else ""
    name = settings.extractor or built.partition(":")[0]
    if name == "llm":
        return _llm_extractor(settings, built)
    if built and name not in ("spacy", "none"):
        return AbsentExtractor(fingerprint=built, remedy="name it, or another one, with --extractor")
    return extractor_named(name or "spacy")


def _llm_extractor(settings: Settings, built: str) -> Extractor:
    from hippograph.index.llm_extractor import LLMExtractor

    model = language_model_of(settings)
    if model is None:
        remedy = (
            "give --llm-model NAME, and --llm-base-url URL for a server of your own, or choose another extractor with "
            "--extractor"
        )
        if built:
            return AbsentExtractor(fingerprint=built, remedy=remedy)
        raise InputError(f"the extractor llm asks a language model, and none is named; {remedy}")
    chosen = settings.extraction
    given = {} if chosen.window is None else {"window": chosen.window}
    return LLMExtractor(model=model, sampling=sampling_of(settings), calls=2 if chosen.calls == 2 else 1, **given)


def _built_with(settings: Settings) -> str:
    """Return the fingerprint of the extractor that the index was built with; empty if there is none to be read."""
    if settings.index is None:
        return ""
    try:
        return open_snapshot(settings.index).manifest.extractor
    except IndexDirectoryError:
        # There is no index yet, or it is damaged, which the command itself will say.
        return ""
