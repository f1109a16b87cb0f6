"""What arrives is saved at once, or soon, in any case once, and never by half."""

from __future__ import annotations

from threading import Event, get_ident

import pytest

from hippograph.index.saving import Saving


def test_what_comes_alone_is_saved_at_once():
    saved: list[tuple[list[int], float]] = []
    with Saving[int](lambda things, seconds: saved.append((list(things), seconds))) as saving:
        for number in range(3):
            assert saving.add(number, waited=1.0)
            assert saved[-1] == ([number], 1.0)
    assert len(saved) == 3


def test_what_was_paid_for_is_saved_sooner():
    saved: list[list[int]] = []
    with Saving[int](lambda things, _: saved.append(list(things))) as saving:
        assert not saving.add(0, waited=0.01)
        assert saving.add(1, waited=0.01, dear=True)
        assert saved == [[0, 1]]


def test_what_comes_fast_is_saved_together():
    saved: list[list[int]] = []
    with Saving[int](lambda things, _: saved.append(list(things))) as saving:
        for number in range(10_000):
            saving.add(number, waited=0.0)
    assert [number for block in saved for number in block] == list(range(10_000))
    assert len(saved) < 100


def test_what_came_fast_is_saved_while_the_next_is_waited_for():
    done, by = Event(), []

    def save(things: list[int], _: float) -> None:
        by.append((list(things), get_ident()))
        done.set()

    with Saving(save) as saving:
        for number in range(2):
            assert not saving.add(number, waited=0.0)
        assert done.wait(30)
        done.clear()
        assert not saving.add(2, waited=0.0)
        assert done.wait(30)
    assert [things for things, _ in by] == [[0, 1], [2]]
    assert get_ident() not in {thread for _, thread in by}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("no power")])
def test_whatever_ends_it_what_has_arrived_is_saved(error):
    saved: list[list[int]] = []

    def run() -> None:
        with Saving[int](lambda things, _: saved.append(list(things))) as saving:
            saving.add(1, waited=0.0)
            raise error

    with pytest.raises(type(error)):
        run()
    assert saved == [[1]]


def test_what_could_not_be_saved_is_tried_once_more_and_told_of():
    tries: list[list[int]] = []

    def save(things: list[int], _: float) -> None:
        tries.append(list(things))
        if len(tries) == 1:
            raise OSError("busy")

    def run() -> None:
        with Saving(save) as saving:
            saving.add(1, waited=1.0)

    with pytest.raises(OSError, match="busy"):
        run()
    assert tries == [[1], [1]]


def test_what_the_other_thread_could_not_save_is_told_of():
    failed = Event()

    def save(things: list[int], _: float) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError("busy")
        tries.append(list(things))

    tries: list[list[int]] = []

    def run(more: bool) -> None:
        with Saving(save) as saving:
            saving.add(1, waited=0.0)
            assert failed.wait(30)
            while more:
                saving.add(2, waited=0.0)

    for more in (False, True):
        failed.clear()
        with pytest.raises(OSError, match="busy"):
            run(more)
    assert tries[0] == [1]


def test_what_was_saved_when_it_was_interrupted_is_not_saved_again():
    saved: list[list[int]] = []

    def save(things: list[int], _: float) -> None:
        saved.append(list(things))
        # As if the signal came between the commit and the next line.
        raise KeyboardInterrupt

    def run() -> None:
        with Saving(save) as saving:
            saving.add(1, waited=1.0)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert saved == [[1]]
