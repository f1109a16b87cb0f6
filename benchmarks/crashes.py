"""Hurt an index in every way there is, and count what became of it.

::

    python benchmarks/crashes.py --kills 500 --every-n --power-cuts --rooms 5

Four things are done to each operation that changes an index (`tests/faults/workload.py`), each time on a fresh copy:

* ``--kills N``: a process is killed (SIGKILL) at N random moments in all, often several in a row on the same index.
* ``--every-n``: each call that changes the disk, of Python and of SQLite, is struck in turn: it fails once; it and all
  after it fail; it and all after it find the disk full; the process is killed in it with nothing or half of it done.
* ``--power-cuts``: nothing is left but what was flushed, as of each flush in turn.
* ``--rooms N``: it is done on a real disk with room for 0, N, 2 N, ... pages more, until that is enough.

After each, the published index must be readable and be the old or the new one, and the same command done again must
end in the same graph and the same bytes as if nothing had happened, with no work of a model done again that was
committed (a power cut may lose commits). A
violation ends the program with its description; a complaint that misleads is counted and shown. `--only` and
`--stride` make it shorter.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.faults.calls import Mode, Strike
from tests.faults.kills import SECONDS, kill_at_call, kill_at_random
from tests.faults.power_cuts import DISKS, cuts, try_cut
from tests.faults.small_disk import SmallDisk, obstacle
from tests.faults.sqlite_calls import unreachable
from tests.faults.trials import Scene, prepare, try_failure
from tests.faults.workload import OPERATIONS
from tests.faults.zygote import Zygote

MODES: tuple[Mode, ...] = ("once", "dead", "full")


def main() -> None:
    """Do what is asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=0, help="how many random kills")
    parser.add_argument("--every-n", action="store_true", help="strike every call in every way")
    parser.add_argument("--power-cuts", action="store_true", help="cut the power after every flush")
    parser.add_argument("--rooms", type=int, default=0, help="pages between one size of a full disk and the next")
    parser.add_argument("--only", choices=OPERATIONS, help="one operation")
    parser.add_argument("--stride", type=int, default=1, help="strike every so manieth call only")
    arguments = parser.parse_args()
    operations = [arguments.only] if arguments.only else list(OPERATIONS)
    print(f"calls of SQLite: {unreachable() or 'watched'}; small disk: {obstacle() or 'mounted'}")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        for operation in operations:
            (Path(folder) / operation).mkdir()
            scene = prepare(operation, Path(folder) / operation)
            print(f"\n{operation}: {len(scene.calls)} calls that change the disk, {layers(scene)}", flush=True)
            with Zygote() as zygote:
                if arguments.kills:
                    kill(scene, zygote, kills=-(-arguments.kills // len(operations)))
                if arguments.every_n:
                    strike(scene, zygote, stride=arguments.stride)
            if arguments.power_cuts:
                cut(scene)
            if arguments.rooms and obstacle() is None:
                squeeze(scene, step=arguments.rooms)
    print(f"\nno violation in {time.perf_counter() - began:.0f} s")


def layers(scene: Scene) -> str:
    """Count an operation's calls by layer."""
    return ", ".join(
        f"{count} of {layer}" for layer, count in Counter(call.split(":")[0] for call in scene.calls).items()
    )


def kill(scene: Scene, zygote: Zygote, *, kills: int) -> None:
    """Kill at so many random moments."""
    with scene.copy() as directory:
        alive = zygote.run(scene.operation.name, directory, seconds=SECONDS)
    stages: Counter[str] = Counter()
    seed = finished = indexes = 0
    while stages.total() < kills:
        deaths = kill_at_random(scene, zygote, seed=seed, alive=alive)
        stages.update(death.stage for death in deaths if death.killed)
        finished += sum(not death.killed for death in deaths)
        seed, indexes = seed + 1, indexes + 1
    hit = ", ".join(f"{stage} {count}" for stage, count in stages.most_common())
    print(f"  {stages.total()} random kills of {indexes} indexes ({finished} writers were faster): {hit}")
    print(f"    readable and resumed to the same end: {indexes} of {indexes}", flush=True)


def strike(scene: Scene, zygote: Zygote, *, stride: int) -> None:
    """Strike the calls one after the other, in every way."""
    calls = range(1, len(scene.calls) + 1, stride)
    for torn in (False, True):
        deaths = [kill_at_call(scene, zygote, Strike(at=at, mode="kill", torn=torn)) for at in calls]
        how = "with half of it done" if torn else "before it"
        print(f"  killed at a call, {how}: {sum(death.killed for death in deaths)} of {len(deaths)}", flush=True)
    for mode in MODES:
        trials = [try_failure(scene, Strike(at=at, mode=mode)) for at in calls]
        kinds = Counter(trial.complaint.kind if trial.complaint else "no error" for trial in trials)
        said = [trial.complaint.objection for trial in trials if trial.complaint]
        print(
            f"  failed ({mode}): {sum(trial.struck is not None for trial in trials)} of {len(trials)}; "
            f"{', '.join(f'{kind} {count}' for kind, count in kinds.most_common())}; "
            f"{sum(trial.published for trial in trials)} published nevertheless; "
            f"{len([text for text in said if text])} misleading complaints",
            flush=True,
        )
        for text in sorted({text for text in said if text})[:3]:
            print(f"    {text}")


def cut(scene: Scene) -> None:
    """Cut the power after each flush, on both kinds of disk."""
    for disk in DISKS:
        late = [try_cut(scene, remains) for remains in cuts(scene, disk)]
        print(
            f"  power cuts ({disk} disk): {len(late)} different remains; {sum(late)} after the publication", flush=True
        )


def squeeze(scene: Scene, *, step: int) -> None:
    """Give a real disk more and more room until it is enough."""
    refused = room = 0
    objections = set()
    with tempfile.TemporaryDirectory() as folder, SmallDisk(Path(folder)) as disk:
        while (shortage := disk.run(scene.operation.name, of="pages", room=room)).complaint:
            refused, room = refused + 1, room + step
            objections.add(shortage.objection)
    misleading = len(objections - {None})
    print(f"  full disk: {refused} sizes too small, {room} pages enough; {misleading} kinds of misleading complaints")
    for text in sorted(text for text in objections if text)[:3]:
        print(f"    {text}")


if __name__ == "__main__":
    main()
