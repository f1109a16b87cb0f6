import gc
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from hippograph.retrieve.per_snapshot import PerSnapshot
from hippograph.store.snapshot import Snapshot


def test_it_is_made_once_and_let_go_with_the_snapshot():
    kept: PerSnapshot[object] = PerSnapshot()
    snapshot = Snapshot.empty()
    first = kept.of(snapshot, object)
    assert kept.of(snapshot, object) is first
    assert kept.of(snapshot, object, variant=1) is not first
    assert kept.of(Snapshot.empty(), object) is not first
    del snapshot
    gc.collect()
    assert len(kept) == 0


def test_nobody_waits_for_another_snapshot():
    kept: PerSnapshot[str] = PerSnapshot()
    slow, quick = Snapshot.empty(), Snapshot.empty()
    begun, done = Event(), Event()

    def make():
        begun.set()
        assert done.wait(10)
        return "slow"

    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(kept.of, slow, make)
        assert begun.wait(10)
        second = threads.submit(kept.of, slow, lambda: "never made")
        assert kept.of(quick, lambda: "quick") == "quick"
        assert not second.done()
        done.set()
        assert first.result(10) == second.result(10) == "slow"


def test_what_fails_is_made_the_next_time():
    kept: PerSnapshot[object] = PerSnapshot()
    snapshot = Snapshot.empty()
    with pytest.raises(ZeroDivisionError):
        kept.of(snapshot, lambda: 1 // 0)
    assert kept.of(snapshot, lambda: 1) == 1
