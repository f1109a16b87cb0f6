"""Measuring readers for `hippograph evaluate`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import typer

from hippograph.cli.console import complain, print_json
from hippograph.cli.evaluate_retrievers import Experiment, file_stem
from hippograph.cli.indexing import Bars
from hippograph.cli.models import sampling_chosen
from hippograph.cli.reading_tables import show_readers
from hippograph.cli.readings import answer_values
from hippograph.cli.settings import place_of
from hippograph.cli.variants import opened, variants
from hippograph.composition import settling
from hippograph.errors import InputError, ModelError
from hippograph.evaluation.manifest import reading_manifest
from hippograph.evaluation.reading import evaluate_reader, threads_for
from hippograph.evaluation.reading_comparison import ReadingComparison, compare_readers
from hippograph.evaluation.reading_results import ReadingEvaluation
from hippograph.hippograph import HippoGraph
from hippograph.protocols import Reader
from hippograph.readers.budget import ReadingBudget
from hippograph.retrievers import Variant
from hippograph.store.snapshot import suspecting_damage

__all__ = ["ReadingOptions", "evaluate_readers"]

_FAILED: Final = 1


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """The options that concern readers.

    Parameters
    ----------
    ks
        What `-k` gives: for readers one number at most.
    budget
        What the reading of a question may spend.
    threads
        How many questions are read at a time; None for as many as suit the model.
    run
        What `--run` gives, which readers have none of.
    """

    ks: tuple[int, ...]
    budget: ReadingBudget | None
    threads: int | None
    run: Path | None

    @property
    def k(self) -> int | None:
        """How many passages are looked up at a time; None leaves it to the reader."""
        return next(iter(self.ks), None)

    def check(self) -> None:
        """Raise InputError if something is given that readers cannot do."""
        if self.run is not None:
            raise InputError(f"--run {self.run} takes the run of a retriever; leave --reader out, or use --save FOLDER")
        if len(self.ks) > 1:
            given = " and ".join(f"-k {k}" for k in self.ks)
            raise InputError(f"{given} are several depths; give readers one number of passages to look up at a time")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"--threads is {self.threads}; give 1 or more")

    def refuse(self) -> None:
        """Raise InputError if there is no reader, and something is given that only readers can do."""
        if self.budget is not None or self.threads is not None:
            raise InputError("--max-calls, --max-tokens, --max-seconds, --max-steps and --threads need a --reader NAME")


def evaluate_readers(
    experiment: Experiment,
    names: Sequence[str],
    retrievers: Sequence[str],
    variant: Variant,
    reading: ReadingOptions,
) -> None:
    """Measure readers, and print what comes of it; exits with 1 if the model failed at some questions.

    Parameters
    ----------
    experiment
        What is asked, and where.
    names
        The readers.
    retrievers
        What they read with: one name.
    variant
        The options of the retriever.
    reading
        The options of the readers.
    """
    chosen = variants(retrievers, variant)
    if len(chosen) > 1:
        raise InputError(f"readers read with one retriever, and {len(chosen)} are given; evaluate one at a time")
    [retriever] = chosen
    names = list(dict.fromkeys(names))
    if experiment.baseline not in {None, *names}:
        raise InputError(f"--baseline {experiment.baseline} is not measured; add --reader {experiment.baseline}")
    reading.check()
    experiment.check()
    with opened(experiment.settings, asking=True) as hippograph, suspecting_damage(place_of(experiment.settings)):
        sampling = sampling_chosen(experiment.settings)
        readers = {
            name: hippograph.parts.reader(
                name,
                retriever=retriever,
                filter=experiment.filter,
                k=reading.k,
                sampling=sampling,
                budget=reading.budget,
            )
            for name in names
        }
        results, manifests, error = _measured(hippograph, readers, retriever, experiment=experiment, reading=reading)
    compared = None
    # Readers that have not read the same questions cannot be compared.
    if experiment.resamples and not error:
        compared = compare_readers(results, baseline=experiment.baseline, resamples=experiment.resamples)
    values = _values(results, compared, manifests)
    if experiment.save is not None:
        _save(experiment.save, results, values)
    if experiment.as_json:
        print_json(values if len(names) > 1 else values[names[0]])
    else:
        show_readers(results, compared)
    if error:
        missing = [name for name in names if name not in results]
        complain(f"{error}; not measured: {', '.join(missing)}" if missing else error)
    if error or any(result.failures for result in results.values()):
        raise typer.Exit(_FAILED)


def _measured(
    hippograph: HippoGraph,
    readers: Mapping[str, Reader],
    retriever: str,
    *,
    experiment: Experiment,
    reading: ReadingOptions,
) -> tuple[dict[str, ReadingEvaluation], dict[str, dict[str, object]], str]:
    """Have every reader read every question; tell what came of it, what each was made from, and what has ended it."""
    model, part = hippograph.parts.language_model, hippograph.parts.part(experiment.filter)
    passages, date = hippograph.parts.snapshot.passages, datetime.now(UTC)
    known = set(passages.ids).union(passages.documents)
    threads = reading.threads or threads_for(model)
    measured = {"threads": threads, "resamples": experiment.resamples, "filter": experiment.filter}
    results: dict[str, ReadingEvaluation] = {}
    manifests: dict[str, dict[str, object]] = {}
    with Bars() as bars:
        for name, reader in readers.items():
            try:
                with settling(model):
                    results[name] = evaluate_reader(
                        reader,
                        experiment.asked,
                        known=known,
                        threads=threads,
                        resamples=experiment.resamples,
                        progress=partial(bars, name),
                    )
            except ModelError as error:
                if not results:
                    raise
                # What readers before it have read is not lost.
                return results, manifests, str(error)
            manifests[name] = reading_manifest(
                name=name,
                reader=reader,
                retriever=retriever,
                model=model,
                questions=experiment.asked,
                snapshot=part,
                measured=measured,
                date=date,
            )
            if results[name].error:
                return results, manifests, results[name].error
    return results, manifests, ""


def _values(
    results: Mapping[str, ReadingEvaluation],
    compared: ReadingComparison | None,
    manifests: Mapping[str, Mapping[str, object]],
) -> dict[str, dict[str, object]]:
    values = {name: result.to_json() for name, result in results.items()} if compared is None else compared.to_json()
    return {name: value | {"manifest": manifests[name]} for name, value in values.items()}


def _save(folder: Path, results: Mapping[str, ReadingEvaluation], values: Mapping[str, Mapping[str, object]]) -> None:
    for name, result in results.items():
        questions = {
            id: {**result.question_to_json(id), "seconds": result.seconds[id], "answer": answer_values(answer)}
            for id, answer in result.answers.items()
        }
        told = json.dumps({**values[name], "questions": questions}, ensure_ascii=False, indent=1)
        (folder / f"{file_stem(name)}.json").write_text(told + "\n", encoding="utf-8")
