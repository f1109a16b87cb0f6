"""Measuring retrievers for `hippograph evaluate`, and what it shares with measuring readers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hippograph.cli.console import print_json
from hippograph.cli.evaluation_tables import show
from hippograph.cli.settings import place_of
from hippograph.cli.variants import opened, variants
from hippograph.composition import settling
from hippograph.config.settings import Settings
from hippograph.errors import InputError
from hippograph.evaluation.bootstrap import FEWEST
from hippograph.evaluation.comparison import Comparison, compare
from hippograph.evaluation.datasets import QuestionSet
from hippograph.evaluation.experiment import evaluate as measure
from hippograph.evaluation.manifest import result_manifest
from hippograph.evaluation.results import Evaluation
from hippograph.evaluation.runs import write_run
from hippograph.hippograph import HippoGraph
from hippograph.retrievers import Variant, named_variant
from hippograph.store.snapshot import suspecting_damage

__all__ = ["Experiment", "evaluate_retrievers", "file_stem", "print_values"]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is asked on which index, and where the results go, be it retrievers or readers that are measured.

    Parameters
    ----------
    asked
        The questions.
    settings
        Which index, and which models.
    filter
        Documents to look at.
    baseline
        What the others are compared with; None for the first.
    resamples
        Draws for intervals and tests; 0 for none.
    save
        The folder for the results; None for none.
    as_json
        Whether JSON is printed.
    """

    asked: QuestionSet
    settings: Settings
    filter: str | None
    baseline: str | None
    resamples: int
    save: Path | None
    as_json: bool

    def check(self) -> None:
        """Complain before anything is measured that could not be saved.

        Raises
        ------
        InputError
            If there are too few draws, or the folder cannot be made.
        """
        if self.resamples != 0 and self.resamples < FEWEST:
            raise InputError(f"--resamples is {self.resamples}; give {FEWEST} or more, or 0 for no intervals")
        if self.save is not None:
            try:
                self.save.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(
                    f"the folder {self.save} cannot be made: {error.strerror}; name another place"
                ) from error


def evaluate_retrievers(
    experiment: Experiment, names: Sequence[str], variant: Variant, *, ks: Sequence[int], run: Path | None
) -> None:
    """Measure retrievers, and print what comes of it.

    Parameters
    ----------
    experiment
        What is asked, and where.
    names
        The retrievers.
    variant
        The options that are given to all.
    ks
        The depths to measure at.
    run
        A file for the run in TREC format, of one retriever.
    """
    chosen = variants(names, variant)
    baseline = _baseline(experiment.baseline, chosen)
    if run is not None and len(chosen) > 1:
        raise InputError(f"--run {run} takes the run of one retriever, and {len(chosen)} are given; use --save FOLDER")
    experiment.check()
    asking = any(options.recognition == "llm" for _, options in chosen.values())
    with (
        opened(experiment.settings, asking=asking) as hippograph,
        suspecting_damage(place_of(experiment.settings)),
    ):
        results, manifests = _measured(hippograph, chosen, ks=ks, experiment=experiment)
    compared = compare(results, baseline=baseline, resamples=experiment.resamples) if experiment.resamples else None
    values = _values(results, compared, manifests)
    if run is not None:
        only = next(iter(results))
        write_run(run, results[only].run, tag=only)
    if experiment.save is not None:
        _save(experiment.save, results, values)
    if experiment.as_json:
        print_values(values)
    else:
        show(results, compared)


def print_values(values: Mapping[str, Mapping[str, object]]) -> None:
    """Print results as JSON: one alone, several by name."""
    print_json(values if len(values) > 1 else next(iter(values.values())))


def file_stem(name: str) -> str:
    """Make the name of a file of the name of a retriever or a reader.

    Examples
    --------
    >>> file_stem("default:recognition=none,no-judge")
    'default.recognition-none.no-judge'
    """
    return re.sub("[:,]", ".", name).replace("=", "-")


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
    *,
    ks: Sequence[int],
    experiment: Experiment,
) -> tuple[dict[str, Evaluation], dict[str, dict[str, object]]]:
    """Ask every retriever every question; tell what each found, and what each result was made from."""
    asked, filter, resamples = experiment.asked, experiment.filter, experiment.resamples
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


def _values(
    results: Mapping[str, Evaluation], compared: Comparison | None, manifests: Mapping[str, Mapping[str, object]]
) -> dict[str, dict[str, object]]:
    values = {name: result.to_json() for name, result in results.items()} if compared is None else compared.to_json()
    return {name: value | {"manifest": manifests[name]} for name, value in values.items()}


def _save(folder: Path, results: Mapping[str, Evaluation], values: Mapping[str, Mapping[str, object]]) -> None:
    for name, result in results.items():
        told = {**values[name], "questions": result.questions_to_json()}
        stem = file_stem(name)
        (folder / f"{stem}.json").write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        write_run(folder / f"{stem}.run", result.run, tag=name)
