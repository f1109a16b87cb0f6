"""Files and batches as the OpenAI API has them: requests are left as a file, and answers fetched as another."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from itertools import count
from typing import Any, Final

from tests.servers.speaking import Outcome, Speaker, mistake
from tests.servers.wire import Request

__all__ = ["Batches", "is_batch_path"]

_Answer = tuple[int, dict[str, Any] | bytes]
_BROKEN: Final = frozenset({"hang", "cut-head", "cut-body", "html-200"})
_CREATED: Final = 1_800_000_000


def is_batch_path(path: str) -> bool:
    """Say whether a path is one of files and batches."""
    return path.startswith(("/v1/files", "/v1/batches"))


@dataclass(kw_only=True)
class _Batch:
    id: str
    lines: list[dict[str, Any]]
    asked: dict[str, Any]
    ending: str
    seen: int = 0
    status: str = "validating"
    output: str | None = None
    errors: str | None = None
    complaints: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"total": 0, "completed": 0, "failed": 0})


class Batches:
    """Takes files of requests and answers them when they have been asked for often enough.

    A fault of a line becomes a line of the error file, or a bad answer in the output file. Of a batch that expires or
    is cancelled, the first half is answered. Lines come out in another order than they went in.

    Parameters
    ----------
    speaker
        Answers the requests.
    """

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._files: dict[str, tuple[str, bytes]] = {}
        self._batches: dict[str, _Batch] = {}
        self._numbers = count(1)

    def answer(self, request: Request) -> _Answer:
        """Answer a call of `/v1/files` or `/v1/batches`."""
        _, _, room, *rest = request.path.split("/")
        routes: dict[tuple[str, str, int], Callable[..., _Answer]] = {
            ("POST", "files", 0): lambda: self._upload(request),
            ("GET", "files", 0): lambda: (200, _listed([self._file(id) for id in self._files])),
            ("GET", "files", 1): lambda id: (200, self._file(id)),
            ("GET", "files", 2): lambda id, _: (200, self._files[id][1]),
            ("DELETE", "files", 1): self._delete,
            ("POST", "batches", 0): lambda: self._create(json.loads(request.body)),
            ("GET", "batches", 0): lambda: (200, _listed([self._told(each) for each in self._batches.values()])),
            ("GET", "batches", 1): self._look,
            ("POST", "batches", 2): self._cancel,
        }
        route = routes.get((request.method, room, len(rest)))
        if route is None:
            return 405, mistake(f"{request.method} {request.path} is not known")
        try:
            return route(*rest)
        except KeyError as error:
            return 404, mistake(f"No such {room} object: {error}", code="not_found")

    def _upload(self, request: Request) -> _Answer:
        head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
        parts = BytesParser(policy=HTTP).parsebytes(head + request.body).iter_parts()
        form = {part.get_param("name", header="content-disposition"): part for part in parts}
        content = form["file"].get_payload(decode=True)
        assert isinstance(content, bytes)
        return 200, self._keep(form["file"].get_filename() or "file", content)

    def _keep(self, name: str, content: bytes) -> dict[str, Any]:
        id = f"file-{next(self._numbers)}"
        self._files[id] = (name, content)
        return self._file(id)

    def _file(self, id: str) -> dict[str, Any]:
        name, content = self._files[id]
        more = {"purpose": "batch", "status": "processed", "created_at": _CREATED}
        return {"id": id, "object": "file", "bytes": len(content), "filename": name, **more}

    def _delete(self, id: str) -> _Answer:
        del self._files[id]
        return 200, {"id": id, "object": "file", "deleted": True}

    def _create(self, asked: dict[str, Any]) -> _Answer:
        text = self._files[asked["input_file_id"]][1].decode()
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        batch = _Batch(
            id=f"batch_{next(self._numbers)}", lines=lines, asked=asked, ending=self._speaker.plan.batch_ending
        )
        ids = [line["custom_id"] for line in lines]
        if len(set(ids)) < len(ids) or any(line["url"] != asked["endpoint"] for line in lines):
            batch.ending = "failed"
            batch.complaints = [{"code": "invalid_line", "message": "ids twice, or another endpoint", "line": 1}]
        self._batches[batch.id] = batch
        return 200, self._told(batch)

    def _look(self, id: str) -> _Answer:
        batch = self._batches[id]
        batch.seen += 1
        if batch.status == "cancelling":
            self._end(batch, "cancelled")
        elif batch.status in {"validating", "in_progress"}:
            if batch.seen > self._speaker.plan.polls:
                self._end(batch, batch.ending)
            else:
                batch.status, batch.counts["total"] = "in_progress", len(batch.lines)
        return 200, self._told(batch)

    def _cancel(self, id: str, _: str) -> _Answer:
        batch = self._batches[id]
        if batch.status in {"validating", "in_progress"}:
            batch.status = "cancelling"
        return 200, self._told(batch)

    def _end(self, batch: _Batch, ending: str) -> None:
        batch.status = ending
        if ending == "failed":
            batch.complaints = batch.complaints or [{"code": "invalid_file", "message": "The file is bad", "line": 1}]
            return
        answered = len(batch.lines) if ending == "completed" else len(batch.lines) // 2
        outputs = [self._line(line) for line in batch.lines[:answered]]
        late = f"batch_{'expired' if ending == 'expired' else 'cancelled'}"
        outputs += [_outcome(line, error={"code": late, "message": late}) for line in batch.lines[answered:]]
        good = [line for line in outputs if not line["error"] and line["response"]["status_code"] == 200]
        bad = [line for line in outputs if line not in good]
        batch.counts = {"total": len(batch.lines), "completed": len(good), "failed": len(bad)}
        batch.output = self._written("output", good)
        batch.errors = self._written("errors", bad)

    def _line(self, line: Mapping[str, Any]) -> dict[str, Any]:
        speak = self._speaker.embeddings if line["url"].endswith("/embeddings") else self._speaker.chat
        done: Outcome = speak(line["body"], kind="line")
        broken = done.entry.fault in _BROKEN
        done.entry.status = 0 if broken else done.status
        self._speaker.ledger.close(done.entry, sent=not broken)
        if broken:
            return _outcome(line, error={"code": "server_error", "message": "The request could not be processed"})
        return _outcome(line, response={"status_code": done.status, "request_id": "r", "body": done.value})

    def _written(self, name: str, lines: list[dict[str, Any]]) -> str | None:
        if not lines:
            return None
        text = "".join(json.dumps(line) + "\n" for line in reversed(lines))
        return str(self._keep(f"{name}.jsonl", text.encode())["id"])

    def _told(self, batch: _Batch) -> dict[str, Any]:
        return {
            "id": batch.id,
            "object": "batch",
            "created_at": _CREATED,
            "status": batch.status,
            "endpoint": batch.asked["endpoint"],
            "input_file_id": batch.asked["input_file_id"],
            "completion_window": batch.asked["completion_window"],
            "metadata": batch.asked.get("metadata"),
            "output_file_id": batch.output,
            "error_file_id": batch.errors,
            "errors": {"object": "list", "data": batch.complaints} if batch.status == "failed" else None,
            "request_counts": batch.counts,
        }


def _listed(things: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": things, "has_more": False}


def _outcome(line: Mapping[str, Any], *, response: object = None, error: object = None) -> dict[str, Any]:
    return {"id": f"line-{line['custom_id']}", "custom_id": line["custom_id"], "response": response, "error": error}
