"""HTTP/1.1 by hand, on asyncio: fast, and able to break every rule on purpose."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Connection", "Reply", "Request"]

_HEAD_END: Final = b"\r\n\r\n"
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks; the names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


def _nothing(sent: bool) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is sent back, and how.

    Parameters
    ----------
    status, content_type, headers, body
        The response.
    pieces
        The body in pieces, sent in chunks, instead of `body`.
    pause
        Seconds between two pieces.
    delay
        Seconds before anything is sent.
    fault
        `hang`, `cut-head` or `cut-body`; anything else is sent as it should be.
    done
        Is told once whether all of it was handed to the connection.
    """

    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: Sequence[bytes] | None = None
    pause: float = 0.0
    delay: float = 0.0
    fault: str = ""
    done: Callable[[bool], None] = _nothing

    def head(self) -> bytes:
        """Write the status line and the headers."""
        length = f"content-length: {len(self.body)}" if self.pieces is None else "transfer-encoding: chunked"
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return (
            f"HTTP/1.1 {self.status} {_PHRASES.get(self.status, '')}\r\ncontent-type: {self.content_type}\r\n"
            f"{more}{length}\r\n\r\n"
        ).encode()


class Connection(asyncio.Protocol):
    """One connection; its requests are answered one after the other.

    Parameters
    ----------
    answer
        Answers a request at once; how long that takes is said by the reply.
    """

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self._answer = answer
        self._buffer = bytearray()
        self._reply: Reply | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._full = False
        self._ends = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        # Of a response that lies in a buffer here, nobody can say that it was sent.
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        """Answer requests that are complete."""
        self._buffer += data
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what was to be sent."""
        if self._timer:
            self._timer.cancel()
        if self._reply:
            self._reply.done(False)
            self._reply = None

    def pause_writing(self) -> None:
        """Take note that the client does not read as fast as is written."""
        self._full = True

    def resume_writing(self) -> None:
        """Take note that all is written."""
        self._full = False
        if self._ends:
            self._end()
            self._go_on()

    def _go_on(self) -> None:
        while self._reply is None and not self._transport.is_closing():
            request = _take(self._buffer)
            if request is None:
                return
            self._reply = self._answer(request)
            if self._reply.delay > 0:
                self._after(self._reply.delay, self._send, self._reply)
            else:
                self._send(self._reply)

    def _after(self, seconds: float, what: Callable[..., None], *given: object) -> None:
        def act() -> None:
            self._timer = None
            what(*given)
            self._go_on()

        self._timer = asyncio.get_running_loop().call_later(seconds, act)

    def _send(self, reply: Reply) -> None:
        if reply.fault == "hang":
            return
        if reply.fault == "cut-head":
            self._transport.abort()
        elif reply.fault == "cut-body":
            body = reply.body if reply.pieces is None else b"".join(map(_chunk, reply.pieces))
            self._transport.write(reply.head() + body[: len(body) // 2])
            self._transport.close()
        elif reply.pieces is None:
            self._transport.write(reply.head() + reply.body)
            self._end_when_written()
        else:
            self._transport.write(reply.head())
            self._send_pieces(reply, 0)

    def _send_pieces(self, reply: Reply, start: int) -> None:
        assert reply.pieces is not None
        for at in range(start, len(reply.pieces)):
            if at > start and reply.pause:
                self._after(reply.pause, self._send_pieces, reply, at)
                return
            self._transport.write(_chunk(reply.pieces[at]))
        self._transport.write(_chunk(b""))
        self._end_when_written()

    def _end_when_written(self) -> None:
        self._ends = True
        if not self._full:
            self._end()

    def _end(self) -> None:
        self._ends = False
        reply, self._reply = self._reply, None
        if reply:
            reply.done(not self._transport.is_closing())


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def _take(buffer: bytearray) -> Request | None:
    end = buffer.find(_HEAD_END)
    if end < 0:
        return None
    first, *lines = buffer[:end].decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    start = end + len(_HEAD_END)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        dechunked = _dechunked(buffer, start)
        if dechunked is None:
            return None
        body, after = dechunked
    else:
        after = start + int(headers.get("content-length", 0))
        if len(buffer) < after:
            return None
        body = bytes(buffer[start:after])
    del buffer[:after]
    url = urlsplit(target)
    return Request(method=method, path=url.path, query=dict(parse_qsl(url.query)), headers=headers, body=body)


def _dechunked(buffer: bytearray, at: int) -> tuple[bytes, int] | None:
    body = b""
    while (end := buffer.find(b"\r\n", at)) >= 0:
        size = int(buffer[at:end], 16)
        at = end + 2 + size + 2
        if len(buffer) < at:
            return None
        if size == 0:
            return body, at
        body += buffer[end + 2 : at - 2]
    return None
