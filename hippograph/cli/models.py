"""Which models a command works with: made of the settings, when they are needed."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated

import typer

from hippograph.cli.settings import place_of
from hippograph.completions import Sampling, SamplingChoice
from hippograph.composition import extractor_named
from hippograph.config.settings import Settings
from hippograph.config.tables import EmbeddingSettings, LLMSettings
from hippograph.errors import IndexDirectoryError, InputError
from hippograph.index.absent_extractor import AbsentExtractor
from hippograph.index.budget import Budget
from hippograph.models.onnx_embedder import OnnxEmbedder
from hippograph.models.pacing import Limits
from hippograph.models.prices import Price, PriceTable
from hippograph.protocols import Embedder, Extractor, LanguageModel
from hippograph.store.index_directory import IndexDirectory
from hippograph.store.responses import BATCHES
from hippograph.store.snapshot import open_snapshot
from hippograph.types import ExtractionStatus

__all__ = [
    "FILTER_EXAMPLE",
    "FilterOption",
    "WaitOption",
    "budget_of",
    "embedder_of",
    "extractor_of",
    "language_model_of",
    "price_of",
    "retried",
    "sampling_chosen",
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


def sampling_chosen(settings: Settings) -> SamplingChoice:
    """Say what of it was set; readers have defaults of their own."""
    llm, names = settings.llm, (one.name for one in fields(SamplingChoice))
    return SamplingChoice(**{name: getattr(llm, name) for name in names if name in llm.model_fields_set})


def language_model_of(settings: Settings, *, answering: bool = False) -> LanguageModel | None:
    """Make the language model, or None if none is named; nothing is connected or loaded yet.

    Parameters
    ----------
    settings
        Which model, and where.
    answering
        Whether somebody waits for the answers: then none is left to a batch.

    Raises
    ------
    InputError
        If OpenAI is to be asked without a key, a budget in dollars is set for a model without a price, or batches are
        to be sent for no index.
    """
    llm = settings.llm
    if llm.model is None:
        return None
    price = price_of(settings, llm.model)
    if settings.budget.max_cost is not None and price is None:
        raise InputError(f"max_cost is set, and {unpriced(settings, llm.model)}, or set max_tokens instead")
    if llm.backend == "vllm":
        from hippograph.models.vllm_offline import VLLMOffline

        given = {} if llm.concurrency is None else {"concurrency": llm.concurrency}
        return VLLMOffline(
            model=llm.model, engine=llm.engine, chat=llm.chat, sampling=llm.extra_body, price=price, **given
        )
    _require_key(llm, key="llm")
    if llm.backend == "openai-batch" and not answering:
        from hippograph.models.openai_batch import OpenAIBatch

        return OpenAIBatch(
            model=llm.model,
            ledger=place_of(settings) / BATCHES,
            base_url=llm.base_url,
            api_key=llm.api_key,
            limits=_limits(llm),
            price=price,
            extra_body=llm.extra_body,
        )
    from hippograph.models.openai_chat import OpenAIChat

    return OpenAIChat(
        model=llm.model,
        base_url=llm.base_url,
        api_key=llm.api_key,
        limits=_limits(llm),
        price=price,
        stream=llm.stream,
        extra_body=llm.extra_body,
    )


def embedder_of(settings: Settings) -> Embedder:
    """Make the embedder; nothing is connected or loaded yet.

    Raises
    ------
    InputError
        If the settings name two, or a server without saying which model, or OpenAI without a key, or a budget in
        dollars is set for a model without a price.
    """
    chosen = settings.embedding
    if chosen.backend == "onnx":
        if chosen.model is not None:
            raise InputError(
                f"embedding.model is {chosen.model!r}, and the backend is onnx, which takes a folder: name it as "
                "`embedder`, or set embedding.backend to sentence-transformers or openai"
            )
        return OnnxEmbedder(path=settings.embedder)
    if settings.embedder is not None:
        raise InputError(
            f"embedder is {settings.embedder}, a folder for onnx, and embedding.backend is {chosen.backend}; leave one "
            "of the two out"
        )
    return _hosted_embedder(settings) if chosen.backend == "openai" else _sentence_transformer(chosen)


def retried(*, invalid: bool) -> tuple[ExtractionStatus, ...]:
    """Say which passages are read again: those that failed, and on request those without a usable answer."""
    return ("failed", "invalid") if invalid else ("failed",)


def budget_of(settings: Settings) -> Budget:
    """Say what a run may spend."""
    budget = settings.budget
    seconds = None if budget.max_minutes is None else 60 * budget.max_minutes
    return Budget(max_tokens=budget.max_tokens, max_cost=budget.max_cost, max_seconds=seconds)


def _hosted_embedder(settings: Settings) -> Embedder:
    from hippograph.models.openai_embedder import OpenAIEmbedder

    chosen = settings.embedding
    if chosen.model is None:
        raise InputError("embedding.backend is openai, and no model is named; set embedding.model")
    price = price_of(settings, chosen.model)
    if settings.budget.max_cost is not None and price is None:
        raise InputError(f"max_cost is set, and {unpriced(settings, chosen.model)}, or set max_tokens instead")
    _require_key(chosen, key="embedding")
    given = {} if chosen.batch_size is None else {"batch_size": chosen.batch_size}
    return OpenAIEmbedder(
        model=chosen.model,
        base_url=chosen.base_url,
        api_key=chosen.api_key,
        limits=_limits(chosen),
        dimensions=chosen.dimension,
        query_prefix=chosen.query_prefix or "",
        passage_prefix=chosen.passage_prefix or "",
        price=price,
        **given,
    )


def _sentence_transformer(chosen: EmbeddingSettings) -> Embedder:
    from hippograph.models.sentence_transformer import SentenceTransformerEmbedder

    given = {} if chosen.batch_size is None else {"batch_size": chosen.batch_size}
    return SentenceTransformerEmbedder(
        model=chosen.model,
        revision=chosen.revision,
        device=chosen.device,
        devices=chosen.devices or None,
        dtype=chosen.dtype,
        query_prompt=chosen.query_prefix,
        passage_prompt=chosen.passage_prefix,
        max_length=chosen.max_length,
        truncate_dimension=chosen.dimension,
        **given,
    )


def _limits(chosen: LLMSettings | EmbeddingSettings) -> Limits:
    given = {} if chosen.concurrency is None else {"concurrency": chosen.concurrency}
    return Limits(
        requests_per_minute=chosen.requests_per_minute,
        tokens_per_minute=chosen.tokens_per_minute,
        attempts=chosen.attempts,
        timeout=chosen.timeout,
        **given,
    )


def _require_key(chosen: LLMSettings | EmbeddingSettings, *, key: str) -> None:
    if chosen.base_url is None and chosen.api_key is None:
        raise InputError(
            f"there is no API key to ask {chosen.model!r} at OpenAI; set OPENAI_API_KEY, or name another server: "
            f"{key}.base_url"
        )


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
    """Return the fingerprint of the extractor that the index prefers; empty if there is none to be read."""
    if settings.index is None:
        return ""
    place = IndexDirectory(settings.index)
    try:
        order = place.catalog().extractors.order()
        return order[0] if order else open_snapshot(settings.index).manifest.extractor
    except IndexDirectoryError:
        # There is no index yet, or it is damaged, which the command itself will say.
        return ""
    finally:
        place.close()
