"""`hippograph evaluate`: measure retrievers on questions with gold passages, readers also on answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hippograph.cli.console import IndexOption, JsonOption
from hippograph.cli.evaluate_readers import ReadingOptions, evaluate_readers
from hippograph.cli.evaluate_retrievers import Experiment, evaluate_retrievers
from hippograph.cli.models import FilterOption
from hippograph.cli.reading_options import (
    MaxCallsOption,
    MaxReadTokensOption,
    MaxSecondsOption,
    MaxStepsOption,
    reading_budget,
)
from hippograph.cli.settings import BackendOption, BaseUrlOption, ConfigOption, EmbedderOption, ModelOption, settings_of
from hippograph.cli.variants import JudgeOption, ParityOption, RecognitionOption, SecondLookOption, variant_of
from hippograph.composition import READERS
from hippograph.evaluation.bootstrap import RESAMPLES
from hippograph.evaluation.datasets import load_questions
from hippograph.evaluation.experiment import DEPTHS

__all__ = ["evaluate"]

_Questions = Annotated[Path, typer.Argument(help="A JSON file of questions, or a BEIR folder.", show_default=False)]
_Readers = Annotated[
    list[str] | None,
    typer.Option(
        "--reader", help=f"Measure answers: {', '.join(READERS)}; several are compared, also NAME:OPTION as in ask."
    ),
]
_Retrievers = Annotated[
    list[str] | None,
    typer.Option(
        "--retriever",
        help="Several are compared, also NAME:OPTION as in hipporag2:parity; `default`. Readers read with one.",
    ),
]
_Baseline = Annotated[str | None, typer.Option(help="What the others are compared with; the first by default.")]
_Depths = Annotated[
    list[int] | None,
    typer.Option("-k", help="Depths to measure at, 2, 5 and 10; for readers, passages looked up at a time."),
]
_Resamples = Annotated[int, typer.Option(help="Draws for intervals and tests, 100 or more; 0 leaves both out.")]
_Threads = Annotated[
    int | None,
    typer.Option(help="Questions read at a time; by default as many as the model answers at a time, 8 at most."),
]
_Split = Annotated[str, typer.Option(help="Which qrels of a BEIR folder.")]
_Run = Annotated[Path | None, typer.Option(help="Write the run in TREC format; one retriever only.")]
_Save = Annotated[
    Path | None,
    typer.Option(help="A folder for NAME.json, with a manifest and each question, and NAME.run; of readers, answers."),
]


def evaluate(
    questions: _Questions,
    index: IndexOption = None,
    reader: _Readers = None,
    retriever: _Retrievers = None,
    baseline: _Baseline = None,
    parity: ParityOption = False,
    recognition: RecognitionOption = None,
    second_look: SecondLookOption = None,
    judge: JudgeOption = None,
    k: _Depths = None,
    max_calls: MaxCallsOption = None,
    max_tokens: MaxReadTokensOption = None,
    max_seconds: MaxSecondsOption = None,
    max_steps: MaxStepsOption = None,
    threads: _Threads = None,
    resamples: _Resamples = RESAMPLES,
    filter: FilterOption = None,
    embedder: EmbedderOption = None,
    llm_base_url: BaseUrlOption = None,
    llm_model: ModelOption = None,
    llm_backend: BackendOption = None,
    split: _Split = "test",
    run: _Run = None,
    save: _Save = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure retrievers on questions with gold passages, or readers; exits with 1 if the model failed at some."""
    settings = settings_of(
        config, index=index, embedder=embedder, llm_base_url=llm_base_url, llm_model=llm_model, llm_backend=llm_backend
    )
    variant = variant_of(parity=parity, recognition=recognition, second_look=second_look, judge=judge)
    budget = reading_budget(calls=max_calls, tokens=max_tokens, seconds=max_seconds, steps=max_steps)
    reading = ReadingOptions(ks=tuple(k or ()), budget=budget, threads=threads, run=run)
    asked = load_questions(questions, split=split)
    experiment = Experiment(
        asked=asked,
        settings=settings,
        filter=filter,
        baseline=baseline,
        resamples=resamples,
        save=save,
        as_json=as_json,
    )
    if reader:
        evaluate_readers(experiment, reader, retriever or ["default"], variant, reading)
        return
    reading.refuse()
    evaluate_retrievers(experiment, retriever or ["default"], variant, ks=tuple(k or DEPTHS), run=run)
