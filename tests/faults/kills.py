"""Writers that are killed, once or several times over, and the index they leave behind."""

import random
from pathlib import Path
from typing import Final

from tests.faults.calls import Strike
from tests.faults.trials import Scene, check_published, check_reader, check_recovery, check_tidy
from tests.faults.workload import DIMENSION, stock
from tests.faults.zygote import Death, Zygote

__all__ = ["SECONDS", "kill_at_call", "kill_at_random"]

SECONDS: Final = 0.003
"""How long the models take for a passage or text where a writer is to live long enough to be killed at any stage."""

_MOST_KILLS: Final = 3
# Parts of a writer's life, as powers of ten.
_DISTANCES: Final = (-3.0, 0.0)


def kill_at_call(scene: Scene, zygote: Zygote, strike: Strike) -> Death:
    """Kill a writer in its n-th call that changes the disk, and check what it leaves behind."""
    held = strike.at <= scene.while_read
    with scene.copy() as directory, scene.reader(directory, held=held) as reader:
        death = zygote.run(scene.operation.name, directory, strike=strike)
        check_published(scene, directory)
        if strike.at % 3 == 0 and scene.before is not None and scene.operation.dimension == DIMENSION:
            _check_wholeness(scene, directory)
        _check_aftermath(scene, directory)
        check_reader(scene, reader)
        if not held:
            check_tidy(directory)
    return death


def kill_at_random(scene: Scene, zygote: Zygote, *, seed: int, alive: Death) -> list[Death]:
    """Kill a writer at a random moment, and often those that come after it as well, and check what they leave behind.

    A moment is a distance from something that the writer tells, drawn evenly on a logarithmic scale: so a kill is as
    likely to hit a stage of a millisecond as one of a hundred.

    Parameters
    ----------
    seed
        Of the moments.
    alive
        How a writer ends that nobody disturbs, with models that take `SECONDS`.
    """
    draw, deaths = random.Random(seed), []
    with scene.copy() as directory, scene.reader(directory) as reader:
        before = stock(directory)
        for _ in range(draw.randint(1, _MOST_KILLS)):
            after = draw.randrange(max(alive.told, 1))
            delay = alive.seconds * 10 ** draw.uniform(*_DISTANCES)
            deaths.append(zygote.run(scene.operation.name, directory, after=after, delay=delay, seconds=SECONDS))
            check_published(scene, directory)
        # Each is saved at once, so that a writer that dies takes no more than one with it.
        lost = sum(death.asked for death in deaths) - (stock(directory).extractions - before.extractions)
        assert lost <= len(deaths), f"{lost} extractions were lost by {len(deaths)} kills"
        _check_aftermath(scene, directory)
        check_reader(scene, reader)
    return deaths


def _check_wholeness(scene: Scene, directory: Path) -> None:
    """Check that each document is there as it was or as it is to be, by publishing what there is."""
    with scene.operation.models().open(directory) as index:
        index.index()
        counts, kept = index.parts.snapshot.manifest.counts, stock(directory)
        assert (counts.documents, counts.passages) == (kept.documents, kept.passages), "half of a document is there"


def _check_aftermath(scene: Scene, directory: Path) -> None:
    models = scene.operation.models()
    with models.open(directory) as index:
        check_recovery(scene, directory, index, models)
