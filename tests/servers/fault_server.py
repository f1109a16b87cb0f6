"""A server like OpenAI's that fails on purpose: `python -m tests.servers.fault_server --port 0 --faults 0.3`.

It prints its address and serves until it is killed, or until stdin ends if `--with-parent` is given. `GET /control`
returns the ledger (`?by=topic`, `?by=digest`, `?by=mark` and `?entries=1` return more of it), and `POST /control` takes
`{"plan": {...}, "reset": true, "mark": true}`: changes to the plan, whether to open a new ledger, and whether requests
from now on count under another mark. What goes wrong with a request depends on the seed, on what it says and on how
often that has been said, and on nothing else.
"""

import argparse
import asyncio
import hmac
import json
import os
import sys
from functools import partial
from typing import Any, Final

from tests.servers.answers import digest
from tests.servers.batches import Batches, is_batch_path
from tests.servers.ledger import Entry, Ledger
from tests.servers.plan import FAULTS, Plan, mixed
from tests.servers.speaking import Outcome, Speaker, events, mistake
from tests.servers.wire import Connection, Reply, Request

__all__ = ["Server", "main"]

_HTML: Final = b"<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"


class Server:
    """Answers requests as planned, and keeps the ledger.

    Parameters
    ----------
    plan
        What is to happen at first.
    """

    def __init__(self, plan: Plan) -> None:
        self._speaker = Speaker(plan, Ledger())
        self._batches = Batches(self._speaker)

    def connection(self) -> Connection:
        """Take a connection."""
        self._speaker.ledger.connections += 1
        return Connection(self.answer)

    def answer(self, request: Request) -> Reply:
        """Answer a request, whatever it says."""
        if request.path == "/control":
            self._speaker.ledger.connections -= 1
            return self._control(request)
        if refused := self._locked(request):
            return self._simple(401, refused)
        if request.path == "/v1/models" or is_batch_path(request.path):
            return self._other(request)
        if request.path not in {"/v1/chat/completions", "/v1/embeddings"}:
            return self._simple(404, mistake(f"There is no {request.path}"))
        try:
            body = json.loads(request.body)
        except ValueError as error:
            return self._simple(400, mistake(f"The body is no JSON: {error}"))
        if not isinstance(body, dict):
            return self._simple(400, mistake("The body is no JSON object"))
        if request.path == "/v1/chat/completions":
            return self._chat(body)
        done = self._speaker.embeddings(body)
        return self._reply(done, json.dumps(done.value).encode())

    def _control(self, request: Request) -> Reply:
        if request.method == "POST":
            wish = json.loads(request.body)
            try:
                self._speaker.plan = self._speaker.plan.changed(wish.get("plan", {}))
            except (ValueError, TypeError) as error:
                return Reply(status=400, body=json.dumps({"error": str(error)}).encode())
            if wish.get("reset"):
                self._speaker.ledger = Ledger()
            if wish.get("mark"):
                self._speaker.ledger.marks += 1
        ledger = self._speaker.ledger
        told: Any = ledger.summary()
        if by := request.query.get("by"):
            told = ledger.grouped(by)
        elif request.query.get("entries"):
            told = ledger.entries()
        return Reply(body=json.dumps(told).encode())

    def _locked(self, request: Request) -> dict[str, Any] | None:
        key = self._speaker.plan.key
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not key or hmac.compare_digest(given.encode(), key.encode()):
            return None
        # Some servers repeat the key they were given, and nobody must learn it from a log.
        return mistake(f"Incorrect API key provided: {given}.", code="invalid_api_key")

    def _simple(self, status: int, value: dict[str, Any]) -> Reply:
        entry = self._speaker.ledger.open("refused", "", "")
        entry.status = status
        return Reply(status=status, body=json.dumps(value).encode(), done=self._closing(entry))

    def _chat(self, body: dict[str, Any]) -> Reply:
        done = self._speaker.chat(body)
        if done.status != 200 or not body.get("stream") or done.entry.fault == "html-200":
            return self._reply(done, json.dumps(done.value, ensure_ascii=False).encode())
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        if not usage:
            done.entry.prompt_tokens = done.entry.completion_tokens = 0
        return self._reply(done, b"", pieces=events(done.value, usage=usage))

    def _other(self, request: Request) -> Reply:
        plan, said = self._speaker.plan, digest(f"{request.method} {request.path}")
        kind = "models" if request.path == "/v1/models" else "batch"
        entry = self._speaker.ledger.open(kind, said, request.path)
        entry.fault, entry.status = plan.fault(kind, said, entry.attempt), 200
        value: dict[str, Any] | bytes
        if failure := self._speaker.failure(entry):
            return self._reply(failure, json.dumps(failure.value).encode())
        if kind == "models":
            names = plan.models or ("fault-model",)
            value = {"object": "list", "data": [{"id": name, "object": "model", "created": 1} for name in names]}
        else:
            entry.status, value = self._batches.answer(request)
        done = Outcome(entry=entry, status=entry.status, value={})
        return self._reply(done, value if isinstance(value, bytes) else json.dumps(value).encode())

    def _reply(self, done: Outcome, body: bytes, *, pieces: list[bytes] | None = None) -> Reply:
        plan, entry = self._speaker.plan, done.entry
        headers: dict[str, str] = {"x-request-id": f"{entry.number}"}
        if done.wait is not None:
            whole = float(done.wait).is_integer()
            headers |= {"retry-after": f"{done.wait:.0f}"} if whole else {"retry-after-ms": f"{1000 * done.wait:.0f}"}
        if entry.fault in {"hang", "cut-head"}:
            entry.status = 0
        page = entry.fault in {"html", "html-200"}
        stream = "text/event-stream" if pieces is not None else "application/json"
        return Reply(
            status=done.status,
            content_type="text/html; charset=utf-8" if page else stream,
            headers=headers,
            body=_HTML if page else body,
            pieces=pieces,
            pause=plan.pause,
            delay=plan.latency + (plan.slow if entry.fault == "slow" else 0.0),
            fault=entry.fault,
            done=self._closing(entry),
        )

    def _closing(self, entry: Entry) -> Any:
        ledger = self._speaker.ledger
        return lambda sent: ledger.close(entry, sent=sent)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--faults", type=float, default=0.0, help="share of faults of all kinds together")
    parser.add_argument("--share", action="append", default=[], metavar="FAULT=SHARE", help=", ".join(FAULTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before any answer")
    parser.add_argument("--plan", default="{}", help="any field of the plan, as JSON")
    parser.add_argument("--with-parent", action="store_true", help="end when stdin does")
    given = parser.parse_args()
    shares = mixed(given.faults) if given.faults else {}
    shares |= {name: float(share) for name, _, share in (each.partition("=") for each in given.share)}
    plan = Plan(shares=shares, seed=given.seed, latency=given.latency).changed(json.loads(given.plan))
    asyncio.run(_serve(Server(plan), port=given.port, with_parent=given.with_parent))


async def _serve(server: Server, *, port: int, with_parent: bool) -> None:
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(server.connection, "127.0.0.1", port, backlog=1024)
    if with_parent:
        loop.add_reader(sys.stdin.fileno(), partial(os._exit, 0))
    host, chosen = listening.sockets[0].getsockname()[:2]
    sys.stdout.write(f"http://{host}:{chosen}\n")
    sys.stdout.flush()
    await listening.serve_forever()


if __name__ == "__main__":
    main()
