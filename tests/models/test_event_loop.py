"""The loop on a thread of its own."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from hippograph.errors import InputError
from hippograph.models.event_loop import LoopThread


async def double(number):
    await asyncio.sleep(0)
    return 2 * number


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "of-this-test"]


def test_nothing_is_started_before_it_is_used():
    loop = LoopThread("of-this-test")
    assert not loop_threads()
    loop.close()
    loop.close()
    assert not loop_threads()


def test_it_works_for_many_threads_at_once():
    loop = LoopThread("of-this-test")
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda number: loop.submit(double(number)).result(timeout=10), range(200)))
    assert results == [2 * number for number in range(200)]
    assert len(loop_threads()) == 1
    loop.close()
    assert not loop_threads()


def test_it_works_beside_a_loop_that_runs():
    async def notebook():
        return loop.submit(double(4)).result(timeout=10)

    loop = LoopThread()
    assert asyncio.run(notebook()) == 8
    loop.close()


def test_an_error_of_the_coroutine_is_raised_by_the_future():
    async def fail():
        raise KeyError("lost")

    loop = LoopThread()
    with pytest.raises(KeyError, match="lost"):
        loop.submit(fail()).result(timeout=10)
    loop.close()


def test_what_is_cancelled_before_its_turn_is_not_run():
    begun, held = [], threading.Event()

    async def hold():
        held.wait(10)

    async def begin():
        begun.append(True)

    loop = LoopThread()
    first = loop.submit(hold())
    second = loop.submit(begin())
    assert second.cancel()
    held.set()
    first.result(timeout=10)
    loop.close()
    assert begun == []


def test_what_is_cancelled_under_way_is_told():
    told, begun = threading.Event(), threading.Event()

    async def wait():
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            told.set()

    loop = LoopThread()
    future = loop.submit(wait())
    assert begun.wait(10)
    assert future.cancel()
    assert told.wait(10)
    loop.close()


def test_closing_ends_what_runs_and_says_farewell_last():
    ended = []

    async def wait():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("task")

    async def farewell():
        ended.append("farewell")

    loop = LoopThread()
    loop.at_close(farewell)
    future = loop.submit(wait())
    loop.submit(double(1)).result(timeout=10)
    loop.close()
    assert ended == ["task", "farewell"]
    with pytest.raises(CancelledError):
        future.result(timeout=10)


def test_a_closed_loop_takes_nothing_more():
    loop = LoopThread()
    loop.submit(double(1)).result(timeout=10)
    loop.close()
    loop.close()
    with pytest.raises(InputError, match="closed"):
        loop.submit(double(1))


def test_being_collected_ends_the_thread():
    loop = LoopThread("of-this-test")
    loop.submit(double(1)).result(timeout=10)
    [thread] = loop_threads()
    del loop
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_closing_from_the_loop_itself_does_not_wait_for_itself():
    loop = LoopThread("of-this-test")

    async def close():
        loop.close()

    loop.submit(close()).result(timeout=10)
    for thread in loop_threads():
        thread.join(10)
    assert not loop_threads()


def test_the_interpreter_ends_quietly():
    program = """
import asyncio
from hippograph.models.event_loop import LoopThread
loops = [LoopThread(), LoopThread(), LoopThread()]
for loop in loops:
    loop.submit(asyncio.sleep(0)).result()
    loop.submit(asyncio.sleep(60))
loops.pop()
loops[0].close()
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_end_of_the_interpreter_does_not_disturb_a_slow_farewell():
    script = """
import asyncio
from hippograph.models.event_loop import LoopThread

async def slowly():
    await asyncio.sleep(0.3)
    print("farewell", flush=True)

async def nothing():
    pass

loop = LoopThread()
loop.submit(nothing()).result()
loop.at_close(slowly)
del loop
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "farewell\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("is_running", [False, True])
def test_it_is_begun_anew_in_a_process_that_was_forked_off(is_running):
    program = f"""
import asyncio, os, sys
from hippograph.errors import InputError
from hippograph.models.event_loop import LoopThread

async def double(number):
    await asyncio.sleep(0)
    return 2 * number

async def farewell():
    print("farewell of", "parent" if os.getpid() == parent else "child", flush=True)

parent = os.getpid()
loop, closed = LoopThread(), LoopThread()
closed.close()
if {is_running}:
    assert loop.submit(double(1)).result(timeout=10) == 2
    loop.at_close(farewell)
child = os.fork()
assert loop.submit(double(2)).result(timeout=10) == 4
if child == 0:
    try:
        closed.submit(double(3))
    except InputError:
        pass
    else:
        sys.exit(1)
    del loop
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
assert loop.submit(double(4)).result(timeout=10) == 8
loop.close()
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
    )
    expected = "farewell of parent\n" if is_running else ""
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")
