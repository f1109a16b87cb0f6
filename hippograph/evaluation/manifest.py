"""The manifest of a result: everything that it takes to get the same result again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from hippograph.evaluation.checkout import commit_of
from hippograph.evaluation.datasets import QuestionSet
from hippograph.evaluation.description import described
from hippograph.prompts.prompt import load_prompt
from hippograph.protocols import LanguageModel, Reader, Retriever
from hippograph.store.snapshot import Snapshot
from hippograph.store.tables import PassageTable

__all__ = ["reading_manifest", "result_manifest"]

_PACKAGE: Final = Path(__file__).parents[1]
_SOURCES: Final = ("*.py", "*.md")


def result_manifest(
    *,
    name: str,
    retriever: Retriever,
    questions: QuestionSet,
    snapshot: Snapshot,
    measured: Mapping[str, object],
    date: datetime,
) -> dict[str, object]:
    """Say what a result was made from and with; it names no path, address or secret of the machine.

    Parameters
    ----------
    name
        What the retriever is called.
    retriever
        The retriever that was measured.
    questions
        What it was asked.
    snapshot
        The index that it was asked on.
    measured
        How it was measured: the depths, how many draws the intervals rest on, and what else was chosen.
    date
        When it was made.

    Returns
    -------
    JSON values, which differ between two runs of the same by nothing but the date: `date`; `questions` and `index`,
    by digests of what they hold; `retriever`, with all of its parameters; `measured`; `software`, with versions of
    hippograph, by commit if it is run from a checkout and by a digest of its sources in any case, of Python and of
    the packages that hippograph may use; `machine`.
    """
    return _manifest(
        {"retriever": {"name": name, "parameters": described(retriever)}},
        questions=questions,
        snapshot=snapshot,
        measured=measured,
        date=date,
    )


def reading_manifest(
    *,
    name: str,
    reader: Reader,
    retriever: str,
    model: LanguageModel | None,
    questions: QuestionSet,
    snapshot: Snapshot,
    measured: Mapping[str, object],
    date: datetime,
) -> dict[str, object]:
    """Say what answers were made from and with, as `result_manifest` does for rankings.

    Parameters
    ----------
    name
        What the reader is called.
    reader
        The reader that was measured.
    retriever
        What the retriever is called that it reads with.
    model
        The language model; None if there is none.
    questions, snapshot, measured, date
        As for `result_manifest`.

    Returns
    -------
    JSON values, as those of `result_manifest`; in the place of `retriever`: `reader`, with all of its parameters, the
    retriever's among them; `retriever`, by its name; `model`, by its fingerprint, null without one; and `prompts`, by
    the digest of each prompt that hippograph has.
    """
    return _manifest(
        {
            "reader": {"name": name, "parameters": described(reader)},
            "retriever": {"name": retriever},
            "model": None if model is None else described(model.fingerprint),
            "prompts": _prompts(),
        },
        questions=questions,
        snapshot=snapshot,
        measured=measured,
        date=date,
    )


def _manifest(
    part: Mapping[str, object],
    *,
    questions: QuestionSet,
    snapshot: Snapshot,
    measured: Mapping[str, object],
    date: datetime,
) -> dict[str, object]:
    return {
        "date": date.isoformat(timespec="seconds"),
        "questions": {
            "sha256": _digest_of_questions(questions),
            "n": len(questions.questions),
            "n_without_gold": questions.n_without_gold,
        },
        "index": _index(snapshot),
        **part,
        "measured": described(measured),
        "software": _software(),
        "machine": {"cores": _cores(), "architecture": platform.machine(), "system": platform.system()},
    }


def _prompts() -> dict[str, str]:
    names = sorted(path.stem for path in (_PACKAGE / "prompts").glob("*.md"))
    return {name: load_prompt(name).digest for name in names}


def _digest_of_questions(questions: QuestionSet) -> str:
    """Condense the questions, in whichever order and format they are kept."""
    rows = [
        [question.id, question.text, sorted(question.gold.items()), question.answers, question.type]
        for question in sorted(questions.questions, key=lambda question: question.id)
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _index(snapshot: Snapshot) -> dict[str, object]:
    manifest = snapshot.manifest
    return {
        "format": manifest.format_version,
        "passages_sha256": _digest_of_passages(snapshot.passages),
        "graph_digest": manifest.graph_digest,
        "counts": manifest.counts.model_dump(),
        "embedder": manifest.embedder,
        "extractor": manifest.extractor,
        "extractors": list(manifest.extractors),
        "normalizer": manifest.normalizer,
        "settings": manifest.settings,
    }


def _digest_of_passages(passages: PassageTable) -> str:
    """Condense the texts; the state of an index would tell also from which paths they came."""
    digest = hashlib.sha256()
    for column in (passages.ids, passages.documents, passages.titles, passages.texts):
        digest.update(column.offsets.tobytes())
        digest.update(column.blob.tobytes())
    return digest.hexdigest()


@cache
def _software() -> dict[str, object]:
    return {
        "hippograph": version("hippograph"),
        "commit": commit_of(_PACKAGE.parent),
        "source_sha256": _digest_of_sources(),
        "python": platform.python_version(),
        "packages": _packages(),
    }


def _digest_of_sources() -> str:
    """Condense the code and the prompts, since a checkout may hold what is not committed."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _SOURCES for path in _PACKAGE.rglob(pattern)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _packages() -> dict[str, str]:
    """Return the versions of what hippograph requires, extras included, as far as it is installed."""
    found = {}
    for requirement in requires("hippograph") or []:
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            # An extra that is not installed.
            continue
    return dict(sorted(found.items()))


def _cores() -> int | None:
    # A container may be allowed fewer than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
