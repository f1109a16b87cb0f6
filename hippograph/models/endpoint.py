"""One server that speaks as OpenAI's does: requests at its pace, and the one place where they are tried again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from pydantic import SecretStr
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from hippograph.errors import ModelError
from hippograph.models.address import Address
from hippograph.models.connection import connect
from hippograph.models.event_loop import LoopThread
from hippograph.models.pacing import Limits, Pace, Turn
from hippograph.models.replies import Pieces, Reply, Tally, decoded, estimate_read, estimate_written, usage_of
from hippograph.models.server_faults import RefusedError, TransientError, UnansweredError, fault_of, is_fatal, told_by

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["Endpoint"]

_LOG: Final = logging.getLogger("hippograph.models.endpoint")
_FIRST_WAIT: Final = 0.5
_LONGEST_RETRY_AFTER: Final = 600.0
_FEWEST_IN_A_ROW: Final = 20

_Result = TypeVar("_Result")


class Endpoint:
    """Sends requests to a server, as many at a time and as fast as the limits allow, again where that may help.

    Tried again are requests that met no server, a cut connection or silence, HTTP 408, 409, 425, 429 and 5xx, and
    bodies that are not what they should be; at the time that the server names, else after an exponential back-off with
    full jitter. While one waits, another takes its place; but if the server has named a time, nothing is sent before.

    Parameters
    ----------
    base_url
        Where the API stands, mostly ending in `/v1`; None for OpenAI's own.
    api_key
        The key; None for servers that want none, which OpenAI's does not belong to.
    limits
        How much is asked at most.

    Raises
    ------
    InputError
        If the URL is not one of HTTP, the key cannot be one, or neither is given.
    """

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: SecretStr | None = None,
        limits: Limits | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.limits = limits or Limits()
        self._address = Address.of(base_url, api_key)
        self._sleep = sleep
        self._loop = LoopThread()
        # What belongs to the loop that runs; there is another one after a fork.
        self._home: asyncio.AbstractEventLoop | None = None
        self._pace = Pace(self.limits, sleep=sleep)
        self._client: AsyncOpenAI | None = None
        self._ever_answered = False
        self._has_served = False
        self._warned_of_estimates = False
        self._failed_in_a_row = 0
        # Requests that were waiting when something was found to concern all of them share its error.
        self._breaks = 0
        self._broken_by = ""

    def submit(self, coroutine: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        """Run a coroutine, which may call `post`, on the endpoint's loop."""
        return self._loop.submit(coroutine)

    def close(self) -> None:
        """Cancel what is under way and close the connections."""
        self._loop.close()

    async def post(
        self,
        path: str,
        body: Mapping[str, object],
        *,
        tally: Tally,
        tokens: int = 0,
        check: Callable[[dict[str, Any]], object] | None = None,
        pieces: Callable[[], Pieces] | None = None,
        attempts: int | None = None,
    ) -> Reply:
        """Send a request until it is answered.

        Parameters
        ----------
        path
            What follows the base URL.
        body
            The request, whose `model` is named in messages.
        tally
            Where every attempt is counted, also if this raises.
        tokens
            Those that are expected to be read and written.
        check
            Raises `TransientError` for an answer that is none.
        pieces
            Makes what puts a streamed answer together; None for answers in one piece.
        attempts
            How often at most, with those that the tally has; None for as often as the limits allow.

        Raises
        ------
        UnansweredError
            If no attempt was answered.
        RefusedError
            If the server says that this request is wrong.
        ModelError
            If it is of no use to send any.
        """

        async def attempt(turn: Turn) -> Reply:
            return await self._attempt(path, body, turn, tally, check, pieces)

        most = self.limits.attempts if attempts is None else min(self.limits.attempts, attempts - tally.calls)
        return await self._until_answered(attempt, tokens=tokens, tally=tally, attempts=most)

    async def ask(
        self, path: str, send: Callable[[AsyncOpenAI], Awaitable[_Result]], *, attempts: int | None = None
    ) -> _Result:
        """Send a request of another kind, as of files, until it is answered; no tokens are counted for it.

        Parameters
        ----------
        path
            What it is called in messages.
        send
            Sends it by a client and returns what was answered; raises `TransientError` if that is no answer.
        attempts
            How often at most; None for as often as the limits allow.

        Raises
        ------
        UnansweredError
            If no attempt was answered.
        RefusedError
            If the server says that this request is wrong, or does not know what it is about (HTTP 404).
        ModelError
            If it is of no use to send any.
        """
        tally = Tally()

        async def attempt(_: Turn) -> _Result:
            client = self._client or self._connected()
            began = time.monotonic()
            try:
                answer = await self._answered(send(client), path, None)
            finally:
                tally.count(began, time.monotonic())
            self._ever_answered = True
            self._failed_in_a_row = 0
            return answer

        return await self._until_answered(attempt, tokens=0, tally=tally, attempts=attempts or self.limits.attempts)

    async def _until_answered(
        self, send: Callable[[Turn], Awaitable[_Result]], *, tokens: int, tally: Tally, attempts: int
    ) -> _Result:
        self._settle()
        born = self._breaks
        retrying = AsyncRetrying(
            sleep=self._sleep,
            stop=stop_after_attempt(int(attempts)),
            wait=self._wait,
            retry=retry_if_exception_type(TransientError),
            reraise=True,
        )

        async def attempt() -> _Result:
            async with self._pace.turn(tokens) as turn:
                if self._breaks != born:
                    raise ModelError(self._broken_by)
                try:
                    return await send(turn)
                except (TransientError, RefusedError) as error:
                    error.args = (self._address.without_secrets(str(error)),)
                    raise

        try:
            return await retrying(attempt)
        except TransientError as error:
            self._give_up(error, tally, born, is_early=attempts < self.limits.attempts)

    def _settle(self) -> None:
        """Have what belongs to the loop made anew if that is another one."""
        loop = asyncio.get_running_loop()
        if self._home is not None and self._home is not loop:
            self._client = None
            self._pace = Pace(self.limits, sleep=self._sleep)
        self._home = loop

    def count_failed(self, message: str) -> None:
        """Count a request that has come to nothing, and stop all when that has become the rule.

        Raises
        ------
        ModelError
            If as many in a row have failed as twice the concurrency, and at least 20.
        """
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= max(_FEWEST_IN_A_ROW, 2 * self.limits.concurrency):
            self._break(
                f"the server {self._address.shown} does not answer as it should: {self._failed_in_a_row} requests in a "
                f"row have failed, the last with: {message}; look at the server's log, or ask less at a time"
            )

    async def _attempt(
        self,
        path: str,
        body: Mapping[str, object],
        turn: Turn,
        tally: Tally,
        check: Callable[[dict[str, Any]], object] | None,
        pieces: Callable[[], Pieces] | None,
    ) -> Reply:
        client = self._client or self._connected()
        began = time.monotonic()
        try:
            if pieces is None:
                answer = await self._fetch(client, path, body)
            else:
                answer = await self._stream(client, path, body, pieces())
        finally:
            ended = time.monotonic()
            tally.count(began, ended)
        self._ever_answered = True
        if not isinstance(answer, dict):
            raise TransientError(f"the answer is no JSON object but a {type(answer).__name__}")
        read, written = usage_of(answer)
        tally.input_tokens += read
        tally.output_tokens += written
        if read or written:
            turn.used(read + written)
        if answer.get("error"):
            raise TransientError(f"the answer is an error: {told_by(answer)[0]}")
        if check is not None:
            check(answer)
        self._failed_in_a_row = 0
        self._has_served = True
        if not read or not written:
            read, written = self._estimated(body, answer, read, written, tally)
            turn.used(read + written)
        return Reply(json=answer, input_tokens=read, output_tokens=written, attempts=tally.calls, seconds=ended - began)

    def _estimated(
        self, body: Mapping[str, object], answer: Mapping[str, Any], read: int, written: int, tally: Tally
    ) -> tuple[int, int]:
        """Count the tokens that an answer does not report, so that budgets hold with any server."""
        more_read = 0 if read else estimate_read(body)
        more_written = 0 if written else estimate_written(answer)
        tally.input_tokens += more_read
        tally.output_tokens += more_written
        if (more_read or more_written) and not self._warned_of_estimates:
            self._warned_of_estimates = True
            _LOG.warning(
                "%s answers without saying how many tokens were used; they are estimated where it does not say",
                self._address.shown,
            )
        return read + more_read, written + more_written

    async def _fetch(self, client: AsyncOpenAI, path: str, body: Mapping[str, object]) -> object:
        sent = client.post(path, cast_to=bytes, body=body)
        return decoded(await self._answered(sent, path, str(body.get("model", ""))))

    async def _answered(self, sent: Awaitable[_Result], path: str, model: str | None) -> _Result:
        try:
            async with asyncio.timeout(self.limits.timeout):
                return await sent
        except TimeoutError:
            raise self._silence() from None
        except Exception as error:  # noqa: BLE001 - the library's classes are not imported before they are needed
            self._explain(error, path, model)

    async def _stream(self, client: AsyncOpenAI, path: str, body: Mapping[str, object], pieces: Pieces) -> object:
        from openai import AsyncStream

        try:
            stream = await client.post(path, cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object])
            async with stream:
                async for piece in stream:
                    pieces.add(piece)
        except TransientError:
            raise
        except ValueError as error:
            raise TransientError(f"a piece of the answer is not JSON: {error}") from None
        except Exception as error:  # noqa: BLE001 - as above
            self._explain(error, path, str(body.get("model", "")))
        return pieces.whole()

    def _connected(self) -> AsyncOpenAI:
        self._client = client = connect(self._address, self.limits)
        self._loop.at_close(client.close)
        return client

    def _explain(self, error: Exception, path: str, model: str | None) -> NoReturn:
        """Raise what an error of the client library means. Its own text and cause are left out: they hold the key."""
        import openai

        if isinstance(error, openai.APIStatusError):
            self._ever_answered = True
            status, told = error.status_code, error.response.text if error.body is None else error.body
            if 300 <= status < 400:
                self._break(self._redirected(status, error.response.headers.get("location") or ""))
            if is_fatal(status, error.body) and not self._is_of_one_request(status, model):
                self._break(self._remedy(status, told_by(told)[0], path, model or ""))
            fault = fault_of(status, told, error.response.headers)
            if isinstance(fault, TransientError) and fault.wait is not None:
                self._pace.pause(min(fault.wait, _LONGEST_RETRY_AFTER))
            raise fault from None
        if isinstance(error, openai.APIConnectionError):
            cause = type(error.__cause__).__name__
            # Over aiohttp, a connection that was cut before the answer is told by the same class as one never made.
            cut = type(getattr(error.__cause__, "__cause__", None)).__name__ == "ServerDisconnectedError"
            if cause in ("ConnectError", "ConnectTimeout") and not cut:
                raise TransientError(f"no connection ({error.__cause__ or cause})", unreachable=True) from None
            if isinstance(error, openai.APITimeoutError) and not cut:
                raise self._silence() from None
            raise TransientError(f"the connection was cut ({error.__cause__ or cause})") from None
        if isinstance(error, openai.APIError):
            raise TransientError(f"the answer is an error: {told_by(error.body or error.message)[0]}") from None
        raise error

    def _is_of_one_request(self, status: int, model: str | None) -> bool:
        """Whether a status that else concerns all requests is about one.

        `model` is None where none is asked, as for files, which may be missing one by one. A model that has answered is
        there and may be used; what is forbidden then is what was said, as by a filter of what comes in.
        """
        return status == 404 if model is None else self._has_served and status in (403, 404)

    def _redirected(self, status: int, location: str) -> str:
        target = self._address.target_of(location) if location else "somewhere else"
        return (
            f"{self._address.shown} sends requests on to {target} (HTTP {status}), where none is sent; give the base "
            "URL of a server that answers itself"
        )

    def _silence(self) -> TransientError:
        return TransientError(f"no answer within {self.limits.timeout:g} seconds")

    def _remedy(self, status: int, message: str, path: str, model: str) -> str:
        said = f"(HTTP {status}: {message or 'no message'})"
        if status in (402, 429):
            return f"the account at {self._address.shown} has no credit left {said}; top it up or use another key"
        if status == 404:
            return (
                f"{self._address.shown} has no model {model!r}, or no {path} {said}; check the name of the model and "
                "the base URL, which mostly ends in /v1"
            )
        remedy = "give a valid API key"
        if status == 403:
            remedy += " that may use the model, unless it is what was asked that is refused"
        return f"{self._address.shown} refuses the key for the model {model!r} {said}; {remedy}"

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        named = min(error.wait or 0.0, _LONGEST_RETRY_AFTER) if isinstance(error, TransientError) else 0.0
        # After a named time too, so that those who waited do not all come back at the same instant.
        wait = named + wait_random_exponential(multiplier=_FIRST_WAIT, max=self.limits.longest_wait)(state)
        _LOG.debug("%s: %s; attempt %d follows in %.1f s", self._address.shown, error, state.attempt_number + 1, wait)
        return wait

    def _give_up(self, error: TransientError, tally: Tally, born: int, *, is_early: bool) -> NoReturn:
        message = f"{error}; {tally.calls} attempts"
        if self._breaks != born:
            raise ModelError(self._broken_by) from None
        if error.unreachable and not self._ever_answered:
            self._break(
                f"the server {self._address.shown} does not answer: {message}; start it, or check the base URL and the "
                "network"
            )
        # Had it been sent as often as others are, it might have been answered.
        if not is_early:
            self.count_failed(message)
        raise UnansweredError(message) from None

    def _break(self, message: str) -> NoReturn:
        self._breaks += 1
        self._failed_in_a_row = 0
        self._broken_by = self._address.without_secrets(message)
        raise ModelError(self._broken_by) from None
