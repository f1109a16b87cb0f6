"""How fast requests may follow one another, by a clock that is only told to go on."""

import asyncio
import itertools
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.models.pacing import Limits, Pace

MINUTE = 60.0


class Clock:
    """A clock that jumps to the next time that somebody sleeps until, when nobody has anything else to do."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, next(self._order), woken))
        await woken

    def run(self, main: Callable[[Pace], Coroutine[Any, Any, Any]], **limits: Any) -> None:
        async def drive() -> None:
            task = asyncio.create_task(main(Pace(Limits(**limits), clock=self, sleep=self.sleep)))
            while not task.done():
                for _ in range(20):
                    await asyncio.sleep(0)
                if self._sleepers and not task.done():
                    at, _, woken = min(self._sleepers)
                    self._sleepers = [each for each in self._sleepers if each[2] is not woken]
                    self.now = max(self.now, at)
                    if not woken.done():
                        woken.set_result(None)
            await task

        asyncio.run(drive())


def starts(
    clock: Clock, sizes: list[int], *, lasts: float = 0.0, used: int | None = None, **limits: Any
) -> list[float]:
    """Return when requests of these sizes start, that all wait from the beginning."""
    times: list[float] = []

    async def one(pace: Pace, size: int) -> None:
        async with pace.turn(size) as turn:
            times.append(clock.now)
            if lasts:
                await clock.sleep(lasts)
            if used is not None:
                turn.used(used)

    async def main(pace: Pace) -> None:
        await asyncio.gather(*(one(pace, size) for size in sizes))

    clock.run(main, **limits)
    return times


def most_in_a_minute(times: list[float], sizes: list[int]) -> int:
    return max(
        sum(size for at, size in zip(times, sizes, strict=True) if start <= at < start + MINUTE) for start in times
    )


@pytest.mark.parametrize(
    "limits",
    [
        {"concurrency": 0},
        {"requests_per_minute": -1},
        {"tokens_per_minute": 0},
        {"attempts": 0},
        {"timeout": math.nan},
        {"longest_wait": math.inf},
    ],
)
def test_limits_are_above_zero(limits):
    with pytest.raises(InputError, match=next(iter(limits))):
        Limits(**limits)


def test_without_limits_all_start_at_once():
    assert set(starts(Clock(), [1] * 50, concurrency=50)) == {1000.0}


@given(count=st.integers(1, 30), places=st.integers(1, 8))
def test_no_more_at_a_time_than_there_are_places(count, places):
    at_work = most = 0
    clock = Clock()

    async def one(pace: Pace) -> None:
        nonlocal at_work, most
        async with pace.turn():
            at_work += 1
            most = max(most, at_work)
            await clock.sleep(1)
            at_work -= 1

    async def main(pace: Pace) -> None:
        await asyncio.gather(*(one(pace) for _ in range(count)))

    clock.run(main, concurrency=places)
    assert most == min(count, places)
    assert clock.now == 1000 + math.ceil(count / places)


@given(count=st.integers(1, 150), per_minute=st.integers(1, 90))
def test_requests_keep_to_the_minute_and_are_spread(count, per_minute):
    times = starts(Clock(), [0] * count, concurrency=200, requests_per_minute=per_minute)
    assert most_in_a_minute(times, [1] * count) <= per_minute
    # At most a few seconds' worth at once, and no slower than allowed.
    assert sum(at == times[0] for at in times) <= 1 + 3 * per_minute / MINUTE
    assert times[-1] - times[0] <= MINUTE * count / per_minute + 0.01


@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=60), per_minute=st.integers(400, 3000))
def test_tokens_keep_to_the_minute(sizes, per_minute):
    times = starts(Clock(), sizes, concurrency=100, tokens_per_minute=per_minute)
    assert most_in_a_minute(times, sizes) <= per_minute
    assert times == sorted(times)


def test_what_is_too_much_for_a_minute_goes_alone():
    times = starts(Clock(), [10, 500, 10], tokens_per_minute=100)
    assert times[1] - times[0] >= MINUTE
    assert times[2] - times[1] >= 5 * MINUTE - 3 - 0.01


def test_what_was_not_used_is_free_again():
    guessed = starts(Clock(), [100] * 20, concurrency=1, tokens_per_minute=600)
    corrected = starts(Clock(), [100] * 20, concurrency=1, used=10, tokens_per_minute=600)
    assert guessed[-1] - guessed[0] > 170
    assert corrected[-1] - corrected[0] < 20
    more = starts(Clock(), [10] * 20, concurrency=1, used=100, tokens_per_minute=600)
    assert more[-1] - more[0] > 170


def test_correcting_late_does_not_spoil_the_count():
    clock = Clock()
    sizes = [100] * 12
    times = starts(clock, sizes, lasts=90, used=100, concurrency=100, tokens_per_minute=300)
    assert most_in_a_minute(times, sizes) <= 300
    assert times[-1] - times[0] <= 12 * 20


def test_nobody_starts_during_a_pause_and_all_go_on_in_order():
    clock = Clock()
    times: list[tuple[int, float]] = []

    async def one(pace: Pace, number: int) -> None:
        async with pace.turn():
            times.append((number, clock.now))
            if number == 0:
                pace.pause(30)
                pace.pause(5)
            await clock.sleep(1)

    async def main(pace: Pace) -> None:
        await asyncio.gather(*(one(pace, number) for number in range(4)))

    clock.run(main, concurrency=1)
    assert times == [(0, 1000.0), (1, 1030.0), (2, 1031.0), (3, 1032.0)]


def test_a_pause_that_grows_is_kept():
    clock = Clock()
    times: list[float] = []

    async def wait(pace: Pace) -> None:
        async with pace.turn():
            times.append(clock.now)

    async def main(pace: Pace) -> None:
        pace.pause(10)
        waiting = asyncio.create_task(wait(pace))
        await clock.sleep(5)
        pace.pause(60)
        await waiting

    clock.run(main)
    assert times == [1065.0]


def test_who_is_cancelled_while_waiting_takes_no_place():
    clock = Clock()
    times: list[float] = []

    async def one(pace: Pace) -> None:
        async with pace.turn():
            times.append(clock.now)
            await clock.sleep(1)

    async def main(pace: Pace) -> None:
        tasks = [asyncio.create_task(one(pace)) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Granted and cancelled in the same breath: its place is free again too.
        async with pace.turn():
            late = asyncio.create_task(one(pace))
            await asyncio.sleep(0)
        late.cancel()
        await asyncio.gather(late, one(pace), return_exceptions=True)

    clock.run(main, concurrency=1)
    assert times == [1000.0, 1001.0, 1002.0, 1003.0]
