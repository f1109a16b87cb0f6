"""`hippograph estimate`: what indexing would cost, before anything is asked of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer

from hippograph.cli.console import IndexOption, JsonOption, complain, output, print_json
from hippograph.cli.indexing import RereadOption
from hippograph.cli.models import extractor_of, price_of, unpriced
from hippograph.cli.settings import (
    BackendOption,
    BaseUrlOption,
    ConfigOption,
    ExtractorOption,
    ModelOption,
    settings_of,
)
from hippograph.config.settings import Settings
from hippograph.config.tables import OPENAI_URL, BudgetSettings
from hippograph.errors import InputError, NoIndexError
from hippograph.index.estimate import Estimate, Reading, minutes_within
from hippograph.index.estimate import estimate as count
from hippograph.index.llm_extractor import LLMExtractor, extraction_prompts
from hippograph.models.prices import Price
from hippograph.store.catalog import Catalog
from hippograph.store.index_directory import IndexDirectory
from hippograph.store.snapshot import open_snapshot
from hippograph.types import Usage

__all__ = ["estimate"]

_SHOWN: Final = 20


def estimate(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(help="Files and folders; by default what the index holds and is not read yet."),
    ] = None,
    index: IndexOption = None,
    extractor: ExtractorOption = None,
    llm_base_url: BaseUrlOption = None,
    llm_model: ModelOption = None,
    llm_backend: BackendOption = None,
    reread: RereadOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what `index` with a language model would read, and what that costs. No model is asked; nothing is written.

    Without --extractor, extraction by a language model is estimated.
    """
    settings = settings_of(
        config,
        index=index,
        extractor=extractor,
        llm_base_url=llm_base_url,
        llm_model=llm_model,
        llm_backend=llm_backend,
    )
    catalog, embedder = _opened(settings)
    if not sources and catalog is None:
        raise InputError("there is nothing to estimate; name files or folders, or an index with --index")
    found = count(sources or (), reading=replace(_reading(settings), reread=reread), catalog=catalog, embedder=embedder)
    bills = _bills(found, settings)
    if as_json:
        print_json(_as_json(found, bills))
    else:
        _show(found, bills, settings)


def _opened(settings: Settings) -> tuple[Catalog | None, str]:
    """Open the index, if there is one yet; tell the embedder whose vectors it has, if that is the one that is set."""
    if settings.index is None:
        return None, ""
    place = IndexDirectory(settings.index)
    try:
        catalog = place.catalog()
    except NoIndexError:
        return None, ""
    try:
        built = open_snapshot(place.path).manifest.embedder
    except NoIndexError:
        return catalog, ""
    return catalog, built if built.startswith(f"openai:{settings.embedding.model}:") else ""


def _reading(settings: Settings) -> Reading:
    if settings.extractor not in (None, "llm"):
        return Reading()
    chosen = settings.extraction
    reading = Reading(prompts=extraction_prompts(chosen.calls), window=chosen.window or LLMExtractor.window)
    if settings.llm.model is None:
        return reading
    # To be told a price takes no key, no ledger of batches and no budget.
    llm = settings.llm.model_copy(
        update={
            "base_url": settings.llm.base_url or OPENAI_URL,
            "backend": "openai" if settings.llm.backend == "openai-batch" else settings.llm.backend,
        }
    )
    named = settings.model_copy(update={"llm": llm, "extractor": "llm", "budget": BudgetSettings()})
    return replace(reading, extractor=extractor_of(named).fingerprint)


@dataclass(frozen=True, kw_only=True)
class _Bill:
    """What a model is expected to do, and what it takes for it; None where that is not known."""

    model: str | None
    work: Usage
    price: Price | None
    minutes: float | None

    @property
    def cost(self) -> float | None:
        return None if self.price is None else self.price.cost(self.work.input_tokens, self.work.output_tokens)

    def to_json(self) -> dict[str, object]:
        return {
            "model": self.model,
            "calls": self.work.calls or None,
            "passages": self.work.items,
            "input_tokens": self.work.input_tokens,
            "output_tokens": self.work.output_tokens,
            "cost": self.cost,
            "batch_cost": None if self.cost is None else self.cost / 2,
            "minutes": self.minutes,
        }


def _bills(found: Estimate, settings: Settings) -> dict[str, _Bill]:
    bills = {}
    hosted = settings.embedding.backend == "openai"
    for what, work, one in (
        ("extraction", found.extraction, settings.llm if settings.extractor in (None, "llm") else None),
        ("embedding", found.embedding, settings.embedding if hosted else None),
    ):
        if one is not None:
            bills[what] = _Bill(
                model=one.model,
                work=work,
                price=price_of(settings, one.model),
                minutes=minutes_within(
                    work, requests_per_minute=one.requests_per_minute, tokens_per_minute=one.tokens_per_minute
                ),
            )
    return bills


def _as_json(found: Estimate, bills: Mapping[str, _Bill]) -> dict[str, object]:
    return {
        "documents": found.documents,
        "passages": found.passages,
        "unread": found.unread,
        "extraction": bills["extraction"].to_json() if "extraction" in bills else None,
        "embedding": bills["embedding"].to_json() if "embedding" in bills else None,
        "measured_passages": found.measured,
        "skipped": [{"where": item.where, "reason": item.reason, "harmless": item.harmless} for item in found.skipped],
    }


def _show(found: Estimate, bills: Mapping[str, _Bill], settings: Settings) -> None:
    console = output()
    console.print(
        f"{found.documents:,} documents, {found.passages:,} passages; {found.unread:,} different ones are to be read"
    )
    if "extraction" not in bills:
        console.print(f"the extractor {settings.extractor} asks no language model", markup=False)
    for what, bill in bills.items():
        work = bill.work
        calls = f"{work.calls:,} calls, " if work.calls else ""
        written = f" and write {work.output_tokens:,}" if what == "extraction" else ", names and facts included"
        console.print(f"{what}: {calls}to read {work.input_tokens:,} tokens{written}", soft_wrap=True)
        if bill.model is None:
            console.print(
                "  name the model to see what it costs: --llm-model" if what == "extraction" else "  no model"
            )
        elif bill.cost is None:
            console.print(f"  {unpriced(settings, bill.model)}", markup=False, soft_wrap=True)
        else:
            console.print(f"  {bill.model}: {bill.cost:,.2f} dollars; by a batch API half of it", markup=False)
        if bill.minutes is not None:
            console.print(f"  {bill.minutes:,.1f} minutes at least, within the limits that are set")
    how = (
        f"as {found.measured:,} passages of this index have taken"
        if found.measured
        else "as GPT-3.5-turbo took for encyclopedic passages; other models and texts take more or less"
    )
    if bills:
        console.print(f"estimated {how}", style="dim", soft_wrap=True)
    lost = [item for item in found.skipped if not item.harmless]
    for item in lost[:_SHOWN]:
        complain(f"skipped: {item.where}: {item.reason}")
    if len(lost) > _SHOWN:
        complain(f"and {len(lost) - _SHOWN:,} more; --json lists them all")
