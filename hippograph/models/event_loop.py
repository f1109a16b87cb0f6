"""An asyncio loop on a thread of its own, so that a synchronous caller has many requests in flight at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from hippograph.errors import InputError

__all__ = ["LoopThread"]

# At the end of the interpreter a loop that cannot be stopped within this time dies with its daemon thread.
_PATIENCE: Final = 5.0

_Result = TypeVar("_Result")


class LoopThread:
    """Runs coroutines on a daemon thread; started by the first one.

    The caller's own loop, as in a notebook, is not touched. All methods may be called from any thread.

    A future that is cancelled before its coroutine got its turn leaves the coroutine unrun; one that is cancelled
    later cancels the coroutine where it waits. When the object is collected or the interpreter ends, the loop is
    stopped and closed; what still runs is cancelled.

    In a process that was forked off, where no thread runs it, the loop is begun anew; what ran in the other process is
    not heard of there.

    Parameters
    ----------
    name
        The thread's name.

    Examples
    --------
    >>> async def double(number):
    ...     return 2 * number
    >>> loop = LoopThread()
    >>> loop.submit(double(21)).result()
    42
    >>> loop.close()
    """

    def __init__(self, name: str = "hippograph-models") -> None:
        self._name = name
        self._work_on(_Inner(name))
        _LIVING.add(self)

    def submit(self, coroutine: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        """Start a coroutine; the future ends with it.

        Raises
        ------
        InputError
            If the loop has been closed.
        """
        return self._inner.submit(coroutine)

    def at_close(self, farewell: Callable[[], Awaitable[object]]) -> None:
        """Have something awaited on the loop before it closes, after all else has been cancelled.

        `farewell` must not refer to this object, or it is never collected.
        """
        self._inner.farewells.append(farewell)

    def close(self) -> None:
        """Cancel what runs, and end the thread; closing again does nothing."""
        self._inner.stop()
        self._inner.join()

    def _work_on(self, inner: _Inner) -> None:
        self._inner = inner
        # Collected in the middle of anything, so that only a signal is given: waiting there could wait for itself.
        self._collected = weakref.finalize(self, inner.stop)
        self._collected.atexit = False

    def _begin_anew(self) -> None:
        self._collected.detach()
        _LEFT_BEHIND.append(self._inner)
        self._work_on(_Inner(self._name, closed=self._inner.closed))


_LIVING: Final[weakref.WeakSet[LoopThread]] = weakref.WeakSet()
# Collected in the child, a loop and its connections would take leave of what they share with those of the parent.
_LEFT_BEHIND: Final[list[_Inner]] = []


class _Inner:
    """What the thread works on; it does not know the `LoopThread`, which can so be collected while it waits."""

    def __init__(self, name: str, *, closed: bool = False) -> None:
        self.closed = closed
        self.farewells: list[Callable[[], Awaitable[object]]] = []
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._leaving = threading.Event()

    def submit(self, coroutine: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        # Under the lock, so that every coroutine is known to the loop before it is told to stop.
        with self._lock:
            if self.closed:
                coroutine.close()
                message = "this model has been closed; make a new one"
                raise InputError(message)
            loop = self._loop or self._start()
            future: Future[_Result] = Future()
            loop.call_soon_threadsafe(_begin, loop, coroutine, future)
            return future

    def stop(self) -> None:
        with self._lock:
            if not self.closed and self._loop is not None:
                _signal(self._loop, self._leaving)
            self.closed = True

    def join(self) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = loop = asyncio.new_event_loop()
        self._thread = thread = threading.Thread(target=self._run, args=(loop,), name=self._name, daemon=True)
        thread.start()
        weakref.finalize(self, _end, loop, thread, self._leaving)
        return loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            try:
                loop.run_until_complete(self._leave())
            finally:
                asyncio.set_event_loop(None)
                loop.close()

    async def _leave(self) -> None:
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for farewell in self.farewells:
            await farewell()
        loop = asyncio.get_running_loop()
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, leaving: threading.Event) -> None:
    """End a thread that still runs when the interpreter ends."""
    if thread.is_alive() and thread is not threading.current_thread():
        _signal(loop, leaving)
        thread.join(_PATIENCE)


def _begin(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, _Result], future: Future[_Result]) -> None:
    """Run a coroutine for a future; unlike asyncio's own, not a step of it if the future has been cancelled."""
    if future.cancelled():
        coroutine.close()
        # Tells those who wait for several futures at once.
        future.set_running_or_notify_cancel()
        return
    task = loop.create_task(coroutine)

    def pass_on(done: asyncio.Task[_Result]) -> None:
        if done.cancelled():
            future.cancel()
        error = None if done.cancelled() else done.exception()
        if not future.set_running_or_notify_cancel():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(done.result())

    def cancel(given_up: Future[_Result]) -> None:
        if given_up.cancelled() and not task.done():
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(task.cancel)

    task.add_done_callback(pass_on)
    future.add_done_callback(cancel)


def _signal(loop: asyncio.AbstractEventLoop, leaving: threading.Event) -> None:
    # The end of the interpreter and that of the object may both want it; the later one finds it done.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_stop, loop, leaving)


def _stop(loop: asyncio.AbstractEventLoop, leaving: threading.Event) -> None:
    # Stopped a second time, the loop would break off in the middle of its farewells.
    if not leaving.is_set():
        leaving.set()
        loop.stop()


def _forked() -> None:
    for loop in list(_LIVING):
        loop._begin_anew()


# At the fork and not at the first use: the child has a single thread now, and no lock is taken for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
