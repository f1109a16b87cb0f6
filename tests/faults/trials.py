"""One trial: an operation is hurt once, and the index must come out of it as if nothing had happened."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hippograph.errors import DamagedIndexError, HippographError, IndexMismatchError, NoIndexError
from hippograph.hippograph import HippoGraph
from hippograph.store.manifest import POINTER, read_pointer
from hippograph.store.snapshot import SNAPSHOTS
from tests.faults.calls import Calls, Strike
from tests.faults.python_calls import watched_python
from tests.faults.sqlite_calls import unreachable, watched_sqlite
from tests.faults.workload import (
    OPERATIONS,
    Models,
    Operation,
    State,
    Stock,
    hurried,
    published,
    rankings,
    stock,
)

__all__ = [
    "Complaint",
    "Scene",
    "Trial",
    "attempt",
    "check_published",
    "check_reader",
    "check_recovery",
    "check_tidy",
    "prepare",
    "try_failure",
    "watched",
]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An operation, and how it goes when nothing disturbs it.

    Parameters
    ----------
    operation
        What is done.
    folder
        Where copies of the index are made.
    before, after
        What is published before and after.
    stocked
        What is committed in the end.
    calls
        What changes the disk, in order, when nobody reads.
    while_read
        How many calls there are before the index is closed when a reader holds the former generation, so that it is
        not removed; they are the first of `calls`.
    """

    operation: Operation
    folder: Path
    before: State | None
    after: State
    stocked: Stock
    calls: Sequence[str]
    while_read: int

    @contextmanager
    def copy(self, name: str = "copy") -> Iterator[Path]:
        """Lend a copy of the index as it is before the operation."""
        directory = self.folder / name / "index"
        _copy(self.folder / "base" / "index", directory)
        try:
            yield directory
        finally:
            shutil.rmtree(directory)

    @contextmanager
    def reader(self, directory: Path, *, held: bool = True) -> Iterator[HippoGraph | None]:
        """Lend somebody who holds what is published; None if there is nothing, or it is not to be held."""
        if self.before is None or not held:
            yield None
            return
        with Models().open(directory) as reader:
            assert reader.parts.snapshot is not None
            yield reader


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """What was raised, without what a traceback would keep open.

    Parameters
    ----------
    kind, text
        The name of its class, and its message.
    objection
        What is wrong with it, None if nothing is: it raises a false alarm, or does not call a full disk one, or does
        not say what to do about that.
    """

    kind: str
    text: str
    objection: str | None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How a trial went.

    Parameters
    ----------
    struck
        The call that failed; None if the operation never came to make it.
    complaint
        What the operation raised; None if it did all that it should nevertheless.
    saved
        How many extractions were committed when it stopped.
    published
        Whether what it was to publish was published when it stopped.
    """

    struck: str | None
    complaint: Complaint | None
    saved: int
    published: bool


@contextmanager
def watched(calls: Calls) -> Iterator[None]:
    """Count and strike all calls that change the disk."""
    with ExitStack() as stack:
        if unreachable() is None:
            stack.enter_context(watched_sqlite(calls))
        stack.enter_context(watched_python(calls))
        yield


def prepare(name: str, folder: Path) -> Scene:
    """Build the index that an operation begins with, and see how the operation goes undisturbed."""
    operation, calls = OPERATIONS[name], Calls()
    base, copy = (folder / which / "index" for which in ("base", "undisturbed"))
    operation.begin(base)
    before = published(base)
    _copy(base, copy)
    with watched(calls), hurried(), operation.models().open(copy) as index:
        operation.do(index)
    after = published(copy, dimension=operation.dimension)
    assert after is not None, "the operation published nothing"
    assert after != before, "the operation changed nothing"
    scene = Scene(
        operation=operation,
        folder=folder,
        before=before,
        after=after,
        stocked=stock(copy),
        calls=calls.made,
        while_read=len(calls.made),
    )
    return replace(scene, while_read=_while_read(scene))


def _while_read(scene: Scene) -> int:
    calls = Calls()
    with scene.copy() as directory, scene.reader(directory), scene.operation.models().open(directory) as index:
        with watched(calls), hurried():
            scene.operation.do(index)
        return len(calls.made)


def try_failure(scene: Scene, strike: Strike) -> Trial:
    """Have a call fail, and check what can be read meanwhile, and the next attempt.

    The next attempt is made by the same object after odd numbers of calls, and as by a new process after even ones.
    Whether the complaint was a good one is left to the caller.
    """
    calls, models = Calls(strike=strike), scene.operation.models()
    held = strike.at <= scene.while_read
    goes_on = held and strike.at % 2 == 1
    with scene.copy() as directory, scene.reader(directory, held=held) as reader:
        with models.open(directory) as index:
            with watched(calls), hurried():
                complaint = attempt(scene.operation, index, full=strike.mode == "full")
                # The disk still fails, and the published index must be readable for all that.
                left = check_published(scene, directory)
                if not goes_on:
                    index.close()
            assert complaint is not None or left == scene.after, f"nobody complained of {calls.struck!r}"
            saved = stock(directory).extractions
            if goes_on:
                check_recovery(scene, directory, index, models)
        if not goes_on:
            with models.open(directory) as index:
                check_recovery(scene, directory, index, models)
        check_reader(scene, reader)
        if not held:
            check_tidy(directory)
    return Trial(struck=calls.struck, complaint=complaint, saved=saved, published=left == scene.after)


def attempt(operation: Operation, index: HippoGraph, *, full: bool) -> Complaint | None:
    """Do an operation, and return what it complained of; `full` says whether that should be a full disk."""
    try:
        operation.do(index)
    except (HippographError, OSError) as error:
        return Complaint(kind=type(error).__name__, text=str(error), objection=_objection(error, full=full))
    return None


def check_published(scene: Scene, directory: Path) -> State | None:
    """Check that one whole published state can be opened, and return it."""
    left = published(directory, dimension=scene.operation.dimension)
    assert left in (scene.before, scene.after), "what is published is neither the old nor the new"
    return left


def check_reader(scene: Scene, reader: HippoGraph | None) -> None:
    """Check that a reader still sees the generation that it opened."""
    assert reader is None or (scene.before is not None and rankings(reader) == scene.before.rankings), (
        "a reader lost the generation it had opened"
    )


def check_tidy(directory: Path) -> None:
    """Check that nothing is left of what nobody can read any more."""
    left = sorted(entry.name for entry in (directory / SNAPSHOTS).iterdir())
    assert left == [read_pointer(directory / SNAPSHOTS).folder, POINTER], left


def check_recovery(scene: Scene, directory: Path, index: HippoGraph, models: Models) -> None:
    """Do the same again, and check that it ends as if undisturbed and asks no model for what is committed."""
    committed = stock(directory)
    assert committed == scene.stocked or published(directory, dimension=scene.operation.dimension) != scene.after, (
        "what is published is not in the catalog"
    )
    models.asked.clear()
    models.embedded.clear()
    scene.operation.do(index)
    assert check_published(scene, directory) == scene.after, "another graph, other arrays or other rankings"
    assert stock(directory) == scene.stocked, "other things are committed"
    assert len(models.asked) == scene.stocked.extractions - committed.extractions, "an extraction was made twice"
    assert len(models.embedded) == scene.stocked.vectors - committed.vectors, "a text was embedded twice"


def _objection(error: HippographError | OSError, *, full: bool) -> str | None:
    if isinstance(error, (DamagedIndexError, IndexMismatchError, NoIndexError)):
        return f"{type(error).__name__} is a false alarm: {error}"
    # SQLite does not say why it cannot make a file or enlarge its shared memory; there it is enough to name the
    # possibility, and to say what to check.
    if full and not re.search(r"\bfull\b|\bspace\b", str(error)):
        return f"a full disk is not called one: {error}"
    if full and not re.search(r"\bfree\b|\bcheck\b", str(error)):
        return f"no remedy: {error}"
    return None


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.mkdir(parents=True)
