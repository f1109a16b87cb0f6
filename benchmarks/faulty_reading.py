"""Read through a server that fails: every question ends with an answer, or with a failure that says why.

::

    python benchmarks/faulty_reading.py my.hippo questions.json                    100 questions, 20 % of requests fail
    python benchmarks/faulty_reading.py my.hippo questions.json --readers single notes:clue --calls 8

The server (`tests/servers`) fails in 16 ways, drawn for each request and each attempt at it. What it says is drawn too,
to fit the schema that is asked for, so the answers mean nothing. The index is only read. Told is how the questions
ended and what they cost (`tests/servers/reading_trial.py`). A reading that raises, hangs or takes more calls than it
may ends the program with its description.
"""

import argparse
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))

from hippograph.evaluation.datasets import load_questions
from hippograph.hippograph import HippoGraph
from hippograph.models.pacing import Limits
from hippograph.readers.budget import ReadingBudget
from tests.servers.reading_trial import End, Trial, burning, model_behind


def main() -> int:
    """Run the trial and print what it shows."""
    given = _given()
    questions = [question.text for question in load_questions(given.questions).questions[: given.count]]
    trial = Trial(at_a_time=given.at_a_time, patience=given.patience, most_calls=given.calls)
    found = []
    for name in given.readers:
        began = perf_counter()
        ends, requests = _read(name, questions, trial, given)
        print(f"{name}, {perf_counter() - began:.0f} s: {trial.told(ends, requests=requests)}", flush=True)
        for error in sorted({end.error for end in ends if end.error})[: given.show]:
            print(f"    {error}", flush=True)
        found += [f"{name}: {line}" for line in trial.violations(ends)]
    for line in found:
        print(line)
    print(f"{len(found)} violations" if found else "no violation")
    return int(bool(found))


def _read(name: str, questions: list[str], trial: Trial, given: argparse.Namespace) -> tuple[list[End], int]:
    limits = Limits(
        concurrency=given.concurrency,
        attempts=given.attempts,
        timeout=given.timeout,
        longest_wait=given.longest_wait,
    )
    budget = ReadingBudget(calls=given.calls, seconds=given.seconds)
    with (
        tempfile.TemporaryDirectory() as folder,
        burning(given.faults, seed=given.seed, latency=given.latency) as server,
        closing(model_behind(server.base_url, Path(folder), limits=limits)) as model,
        HippoGraph(given.index, language_model=model) as index,
    ):
        reader = index.parts.reader(name, retriever=given.retriever, budget=budget)
        ends = trial.run(reader.read, questions)
        return ends, server.ledger()["requests"]


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", help="a published index")
    parser.add_argument("questions", help="as for `hippograph evaluate`")
    parser.add_argument("--readers", nargs="+", default=["single"], help="names, with their options")
    parser.add_argument("--retriever", default="default")
    parser.add_argument("--count", type=int, default=100, help="questions")
    parser.add_argument("--faults", type=float, default=0.2, help="share of requests that fail, in all ways alike")
    parser.add_argument("--calls", type=int, help="calls that a question may take; any number if not given")
    parser.add_argument("--seconds", type=float, help="seconds that a question may take; any number if not given")
    parser.add_argument("--at-a-time", type=int, default=4, help="questions that are read at a time")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds after which a reading hangs")
    parser.add_argument("--concurrency", type=int, default=16, help="requests at a time")
    parser.add_argument("--attempts", type=int, default=2, help="few, so that something fails")
    parser.add_argument("--timeout", type=float, default=1.0, help="seconds until a hanging request is given up")
    parser.add_argument("--longest-wait", type=float, default=0.1, help="seconds between two attempts")
    parser.add_argument("--latency", type=float, default=0.02, help="seconds that the server takes")
    parser.add_argument("--show", type=int, default=5, help="errors to show of each reader")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
