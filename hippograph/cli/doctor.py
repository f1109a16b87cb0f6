"""`hippograph doctor`: find what is wrong with an index, and repair it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from hippograph.cli.console import IndexOption, JsonOption, output, print_json
from hippograph.cli.indexing import Bars
from hippograph.cli.models import WaitOption, embedder_of, extractor_of
from hippograph.cli.settings import ConfigOption, EmbedderOption, ExtractorOption, place_of, settings_of
from hippograph.errors import IndexMismatchError
from hippograph.index.doctor import examine
from hippograph.index.finding import Examination, Finding, counted
from hippograph.index.indexer import Indexer
from hippograph.index.repair import Pruning, Repair, prune, repair

__all__ = ["doctor"]

_SHOWN = 40
_LOST, _DAMAGED = 1, 3


def doctor(
    index: IndexOption = None,
    mend: Annotated[bool, typer.Option("--repair", help="Mend the catalog; make again what comes of it.")] = False,
    remove: Annotated[bool, typer.Option("--prune", help="Remove what no passage needs any more.")] = False,
    wait: WaitOption = 0.0,
    embedder: EmbedderOption = None,
    extractor: ExtractorOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find what is wrong with an index, and say what to do about it. Without --repair or --prune nothing is changed."""
    settings = settings_of(config, index=index, extractor=extractor, embedder=embedder)
    place = place_of(settings)
    indexer = Indexer(extractor=extractor_of(settings), embedder=embedder_of(settings))
    repaired, pruned, refusal = None, None, None
    if mend:
        with Bars() as bars:
            repaired = repair(place, indexer=indexer, wait=wait, progress=bars)
    left = repaired.left if repaired is not None else examine(place, indexer=indexer)
    if remove and left.sound:
        try:
            pruned = prune(place, wait=wait)
        except IndexMismatchError as error:
            # What was found and repaired is told all the same.
            refusal = error
    if as_json:
        print_json(_as_json(left, repaired, pruned))
    else:
        _show(left, repaired, pruned)
    if refusal is not None:
        raise refusal
    if not left.sound:
        raise typer.Exit(_DAMAGED)
    if repaired is not None and repaired.lost:
        raise typer.Exit(_LOST)


def _as_json(left: Examination, repaired: Repair | None, pruned: Pruning | None) -> dict[str, object]:
    done: dict[str, object] | None = None
    if repaired is not None:
        done = {
            "found": repaired.found.to_json()["findings"],
            "steps": list(repaired.steps),
            "lost": [asdict(document) for document in repaired.lost],
        }
    return {**left.to_json(), "repair": done, "pruned": None if pruned is None else asdict(pruned)}


def _show(left: Examination, repaired: Repair | None, pruned: Pruning | None) -> None:
    console = output()
    if repaired is not None:
        _show_findings(repaired.found.findings)
        for step in repaired.steps:
            console.print(f"done: {step}", markup=False, soft_wrap=True)
        for document in repaired.lost:
            where = f", from {document.source}" if document.source else ""
            console.print(f"lost: document {document.id!r}{where}; index it again", markup=False, soft_wrap=True)
        if not repaired.steps:
            console.print("nothing that is wrong here can be repaired" if not left.sound else "nothing to repair")
    if repaired is None or (not left.sound and left.findings != repaired.found.findings):
        _show_findings(left.findings)
    if pruned is not None:
        what = f"{counted(pruned.extractions, 'extraction')} and {counted(pruned.vectors, 'vector')}"
        console.print(f"pruned: {what}, {counted(pruned.bytes, 'byte')} smaller")
    bad = sum(finding.kind != "note" for finding in left.findings)
    verdict = "is sound" if left.sound else f"has {bad:,} things wrong with it" if bad > 1 else "has one thing wrong"
    console.print(f"{left.directory} {verdict}; generation {left.generation}", markup=False, soft_wrap=True)


def _show_findings(findings: Sequence[Finding]) -> None:
    console = output()
    for finding in findings[:_SHOWN]:
        console.print(f"{finding.kind}: {finding.part}: {finding.what}", markup=False, soft_wrap=True)
        console.print(f"  {finding.remedy}", markup=False, soft_wrap=True)
    if len(findings) > _SHOWN:
        console.print(f"and {len(findings) - _SHOWN:,} more; --json lists them all")
