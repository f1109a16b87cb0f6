"""What reaches a server, and what does not."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from hippograph.errors import ModelError
from hippograph.models.chat_answers import ChatPieces
from hippograph.models.endpoint import Endpoint
from hippograph.models.pacing import Limits
from hippograph.models.replies import Tally

CUSTOM = "X-Secret: for OpenAI alone\nContent-Type: text/html\nauthorization: Bearer of-the-environment\nX-Odd:"
ANSWER = {"choices": [{"message": {"content": "Oslo"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
both_clients = pytest.mark.parametrize("client", ["aiohttp", "httpx"])


@dataclass
class Recorder:
    """A server that writes down what it is sent."""

    url: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=lambda: ANSWER)
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def recording() -> Iterator[Recorder]:
    record = Recorder("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            record.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            sent = json.dumps(record.answer).replace("{path}", self.path).encode()
            self.send_response(record.status)
            for name, value in {"content-length": f"{len(sent)}", **record.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        record.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield record
        server.shutdown()
        thread.join()


@pytest.fixture
def recorder(monkeypatch, client) -> Iterator[Recorder]:
    if client == "httpx":
        monkeypatch.setattr("hippograph.models.connection.find_spec", lambda _: None)
    with recording() as server:
        yield server


def post(base_url: str, *, key: str | None = None, stream: bool = False) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": "Where?"}], **({"stream": True} if stream else {})}
    limits = Limits(attempts=1, timeout=20.0)
    given = None if key is None else SecretStr(key)
    with closing(Endpoint(base_url=base_url, api_key=given, limits=limits)) as endpoint:
        sent = endpoint.post("/chat/completions", body, tally=Tally(), pieces=ChatPieces if stream else None)
        return endpoint.submit(sent).result(timeout=20).json


@both_clients
@pytest.mark.parametrize("credentials", ["key", "password", "none"])
def test_what_the_environment_says_to_openai_is_not_told_to_others(recorder, monkeypatch, credentials):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", CUSTOM)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-of-the-admin")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere.example/v1")
    url = recorder.url.replace("//", "//me:hunter2@") if credentials == "password" else recorder.url
    assert post(f"{url}/v1", key="sk-mine" if credentials == "key" else None) == ANSWER
    [(_, headers, _)] = recorder.seen
    assert not headers.keys() & {"openai-organization", "openai-project", "x-secret", "x-odd"}
    assert headers["content-type"] == headers["accept"] == "application/json"
    expected = {"key": "Bearer sk-mine", "password": "Basic bWU6aHVudGVyMg==", "none": "Bearer no-key-needed"}
    assert headers["authorization"] == expected[credentials]
    assert "secret" not in str(headers)
    assert "of-openai" not in str(headers)


@both_clients
def test_it_is_told_to_the_server_that_the_environment_names(recorder, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: yes")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{recorder.url}/v2/")
    assert post(f"{recorder.url}/v1") == ANSWER
    [(_, headers, _)] = recorder.seen
    named = {name: headers[name] for name in ("openai-organization", "openai-project", "x-secret")}
    assert named == {"openai-organization": "org-secret", "openai-project": "proj-secret", "x-secret": "yes"}


@both_clients
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("stream", [False, True])
def test_nothing_is_sent_to_where_a_redirect_leads(recorder, status, stream):
    with recording() as other:
        recorder.status, recorder.headers = status, {"location": f"{other.url}/v1/chat/completions?key=1"}
        with pytest.raises(
            ModelError, match=rf"sends requests on to {other.url}/v1/chat/completions \(HTTP {status}\)"
        ):
            post(f"{recorder.url}/v1", stream=stream)
        assert not other.seen
        assert len(recorder.seen) == 1


@both_clients
def test_a_redirect_to_nowhere(recorder):
    recorder.status = 302
    with pytest.raises(ModelError, match=r"on to somewhere else \(HTTP 302\).*give the base URL"):
        post(f"{recorder.url}/v1")


@both_clients
def test_the_query_of_the_url_is_sent_and_not_shown(recorder):
    url = f"{recorder.url}/v1/?api-version=7&api-key=SECRET%26key&x="
    assert post(url) == ANSWER
    assert recorder.seen[0][0] == "/v1/chat/completions?api-version=7&api-key=SECRET%26key&x="
    recorder.status, recorder.answer = 401, {"error": {"message": "no access to {path}"}}
    with pytest.raises(ModelError, match=r"no access to /v1/chat/completions\?api-version=7&api-key=\*\*\*&x="):
        post(url)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("is_used_before", [False, True])
def test_it_answers_in_a_process_that_was_forked_off(server, is_used_before):
    program = f"""
import os, sys
from hippograph.models.endpoint import Endpoint
from hippograph.models.pacing import Limits
from hippograph.models.replies import Tally
endpoint = Endpoint(base_url={server.base_url!r}, limits=Limits(concurrency=1, timeout=20))
def post(text):
    body = {{"model": "fault-model", "messages": [{{"role": "user", "content": text}}]}}
    assert endpoint.submit(endpoint.post("/chat/completions", body, tally=Tally())).result(timeout=20).json["choices"]
if {is_used_before}:
    post("before")
    # Its place is held when the process is doubled.
    held = endpoint.submit(endpoint.post("/chat/completions", {{"model": "m", "messages": []}}, tally=Tally()))
child = os.fork()
post("after, in both")
if child == 0:
    endpoint.close()
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
if {is_used_before}:
    held.result(timeout=20)
post("in the end")
endpoint.close()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
