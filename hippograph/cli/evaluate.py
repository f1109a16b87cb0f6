"""`hippograph evaluate`: measure retrievers on questions with gold passages."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hippograph.cli.console import IndexOption, JsonOption, print_json
from hippograph.cli.evaluation_tables import show
from hippograph.cli.models import FilterOption
from hippograph.cli.settings import BaseUrlOption, ConfigOption, EmbedderOption, ModelOption, place_of, settings_of
from hippograph.cli.variants import (
    JudgeOption,
    ParityOption,
    RecognitionOption,
    SecondLookOption,
    opened,
    variant_of,
    variants,
)
from hippograph.composition import settling
from hippograph.errors import InputError
from hippograph.evaluation.bootstrap import FEWEST, RESAMPLES
from hippograph.evaluation.comparison import Comparison, compare
from hippograph.evaluation.datasets import QuestionSet, load_questions
from hippograph.evaluation.experiment import DEPTHS
from hippograph.evaluation.experiment import evaluate as measure
from hippograph.evaluation.manifest import result_manifest
from hippograph.evaluation.results import Evaluation
from hippograph.evaluation.runs import write_run
from hippograph.hippograph import HippoGraph
from hippograph.retrievers import Variant, named_variant
from hippograph.store.snapshot import suspecting_damage

__all__ = ["evaluate"]

_Questions = Annotated[Path, typer.Argument(help="A JSON file of questions, or a BEIR folder.", show_default=False)]
_Retrievers = Annotated[
    list[str] | None,
    typer.Option("--retriever", help="Several are compared, also NAME:OPTION as in hipporag2:parity; `default`."),
]
_Baseline = Annotated[str | None, typer.Option(help="What the others are compared with; the first by default.")]
_Depths = Annotated[list[int] | None, typer.Option("-k", help="Depths to measure at; 2, 5 and 10.")]
_Resamples = Annotated[int, typer.Option(help="Draws for intervals and tests, 100 or more; 0 leaves both out.")]
_Split = Annotated[str, typer.Option(help="Which qrels of a BEIR folder.")]
_Run = Annotated[Path | None, typer.Option(help="Write the run in TREC format; one retriever only.")]
_Save = Annotated[
    Path | None, typer.Option(help="A folder for NAME.json, with a manifest and each question, and NAME.run.")
]


def evaluate(
    questions: _Questions,
    index: IndexOption = None,
    retriever: _Retrievers = None,
    baseline: _Baseline = None,
    parity: ParityOption = False,
    recognition: RecognitionOption = None,
    second_look: SecondLookOption = None,
    judge: JudgeOption = None,
    k: _Depths = None,
    resamples: _Resamples = RESAMPLES,
    filter: FilterOption = None,
    embedder: EmbedderOption = None,
    llm_base_url: BaseUrlOption = None,
    llm_model: ModelOption = None,
    split: _Split = "test",
    run: _Run = None,
    save: _Save = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure retrievers on questions with gold passages."""
    variant = variant_of(parity=parity, recognition=recognition, second_look=second_look, judge=judge)
    chosen = variants(retriever or ["default"], variant)
    baseline = _baseline(baseline, chosen)
    _check(chosen, resamples=resamples, run=run, save=save)
    settings = settings_of(config, index=index, embedder=embedder, llm_base_url=llm_base_url, llm_model=llm_model)
    place, ks = place_of(settings), tuple(k or DEPTHS)
    asked = load_questions(questions, split=split)
    asking = any(options.recognition == "llm" for _, options in chosen.values())
    with opened(settings, asking=asking) as hippograph, suspecting_damage(place):
        results, manifests = _measured(hippograph, chosen, asked, ks=ks, resamples=resamples, filter=filter)
    compared = compare(results, baseline=baseline, resamples=resamples) if resamples else None
    values = _values(results, compared, manifests)
    if run is not None:
        only = next(iter(results))
        write_run(run, results[only].run, tag=only)
    if save is not None:
        _save(save, results, values)
    if as_json:
        print_json(values if len(values) > 1 else next(iter(values.values())))
    else:
        show(results, compared)


def _baseline(given: str | None, chosen: Mapping[str, tuple[str, Variant]]) -> str | None:
    """Find the baseline among the names with options; without them it may be given if no other goes by it."""
    if given is None or given in chosen:
        return given
    bare, own = named_variant(given)
    fitting = [
        label
        for label, (name, options) in chosen.items()
        if name == bare and all(getattr(options, option) == getattr(own, option) for option in own.given)
    ]
    if len(fitting) > 1:
        raise InputError(f"--baseline {given} could be any of {' and '.join(fitting)}; name one of these")
    if not fitting:
        raise InputError(f"--baseline {given} is not measured; add --retriever {given}")
    return fitting[0]


def _measured(
    hippograph: HippoGraph,
    chosen: Mapping[str, tuple[str, Variant]],
    asked: QuestionSet,
    *,
    ks: Sequence[int],
    resamples: int,
    filter: str | None,
) -> tuple[dict[str, Evaluation], dict[str, dict[str, object]]]:
    """Ask every retriever every question; tell what each found, and what each result was made from."""
    retrievers = {
        label: hippograph.parts.retriever(name, filter=filter, variant=options)
        for label, (name, options) in chosen.items()
    }
    passages, part = hippograph.parts.snapshot.passages, hippograph.parts.part(filter)
    known, date = set(passages.ids).union(passages.documents), datetime.now(UTC)
    results, manifests = {}, {}
    for name, made in retrievers.items():
        with settling(hippograph.parts.language_model):
            results[name] = measure(made, asked, ks=ks, known=known, resamples=resamples)
        options = {option: getattr(chosen[name][1], option) for option in chosen[name][1].given}
        measured = {"ks": sorted(set(ks)), "resamples": resamples, "filter": filter, "variant": options}
        manifests[name] = result_manifest(
            name=name, retriever=made, questions=asked, snapshot=part, measured=measured, date=date
        )
    return results, manifests


def _check(names: Collection[str], *, resamples: int, run: Path | None, save: Path | None) -> None:
    """Complain before anything is measured that could not be saved."""
    if run is not None and len(names) > 1:
        raise InputError(f"--run {run} takes the run of one retriever, and {len(names)} are given; use --save FOLDER")
    if resamples != 0 and resamples < FEWEST:
        raise InputError(f"--resamples is {resamples}; give {FEWEST} or more, or 0 for no intervals")
    if save is not None:
        try:
            save.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"the folder {save} cannot be made: {error.strerror}; name another place") from error


def _values(
    results: Mapping[str, Evaluation], compared: Comparison | None, manifests: Mapping[str, Mapping[str, object]]
) -> dict[str, dict[str, object]]:
    values = {name: result.to_json() for name, result in results.items()} if compared is None else compared.to_json()
    return {name: value | {"manifest": manifests[name]} for name, value in values.items()}


def _save(folder: Path, results: Mapping[str, Evaluation], values: Mapping[str, Mapping[str, object]]) -> None:
    for name, result in results.items():
        told = {**values[name], "questions": result.questions_to_json()}
        stem = re.sub("[:,]", ".", name).replace("=", "-")
        (folder / f"{stem}.json").write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        write_run(folder / f"{stem}.run", result.run, tag=name)
