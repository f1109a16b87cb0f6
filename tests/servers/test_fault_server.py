import base64
import json
import socket
import struct
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, IncompleteRead
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.servers.answers import answer, digest, found_in, passage_of, schema_in, tokens
from tests.servers.plan import ANSWERED, CONTENT, FAULTS, Plan, mixed
from tests.servers.running import FaultServer

PASSAGE = "Fridtjof Nansen sailed the Fram from Larvik."
SCHEMA = {
    "type": "object",
    "properties": {
        "entities": {"type": "array", "items": {"type": "string"}},
        "triples": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
    },
    "required": ["entities", "triples"],
}
GOOD = {
    "entities": ["Fridtjof Nansen", "Fram", "Larvik"],
    "triples": [["Fridtjof Nansen", "sailed the", "Fram"], ["Fram", "from", "Larvik"]],
}


@pytest.fixture(scope="module")
def running() -> Iterator[FaultServer]:
    with FaultServer(slow=0.05) as server:
        yield server


@pytest.fixture
def server(running: FaultServer) -> FaultServer:
    running.change(reset=True, **json.loads(Plan(slow=0.05).to_json()))
    return running


def question(passage: str = PASSAGE, *, form: str = "json_schema", **more: Any) -> dict[str, Any]:
    form_said: dict[str, Any] = {"type": form}
    if form == "json_schema":
        form_said["json_schema"] = {"name": "Facts", "schema": SCHEMA, "strict": True}
    messages = [{"role": "system", "content": "Read."}, {"role": "user", "content": f"<passage>{passage}</passage>"}]
    return {"model": "m", "messages": messages, "response_format": form_said, **more}


def post(server: FaultServer, path: str, body: Any, *, key: str = "k", timeout: float = 5.0) -> tuple[Any, str]:
    place = urlsplit(server.url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=timeout)
    try:
        connection.request("POST", path, json.dumps(body), {"authorization": f"Bearer {key}"})
        response = connection.getresponse()
        return response, response.read().decode()
    finally:
        connection.close()


def chat(server: FaultServer, **more: Any) -> tuple[Any, str]:
    return post(server, "/v1/chat/completions", question(**more))


def settle(server: FaultServer) -> None:
    """Wait until the server knows that its clients have gone."""
    late = time.monotonic() + 5
    while server.ledger()["at_work"]:
        assert time.monotonic() < late


def said(text: str) -> Any:
    [choice] = json.loads(text)["choices"]
    return choice["message"]["content"]


def test_a_good_answer_reads_the_passage_and_is_paid_for(server: FaultServer) -> None:
    response, text = chat(server)
    assert response.status == 200
    assert json.loads(said(text)) == GOOD
    usage = json.loads(text)["usage"]
    [entry] = server.entries()
    assert (entry["prompt_tokens"], entry["completion_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert server.ledger()["usage"] == {
        "responses": 1,
        "prompt_tokens": usage["prompt_tokens"],
        "completion_tokens": usage["completion_tokens"],
    }
    assert server.ledger(by="topic") == {
        digest(PASSAGE): {
            "requests": 1,
            "sent": 1,
            "good": 1,
            **{name: usage[name] for name in usage if "l_" not in name},
        }
    }


@pytest.mark.parametrize("fault", ["429", "429-after", "500", "503", "html"])
def test_refused_by_status(server: FaultServer, fault: str) -> None:
    server.change(script=[fault], retry_after=2)
    response, text = chat(server)
    assert response.status == {"html": 502}.get(fault, int(fault[:3]) if fault[0].isdigit() else 0)
    assert response.headers.get("retry-after") == ("2" if fault == "429-after" else None)
    assert text.startswith("<!DOCTYPE html>") if fault == "html" else "error" in json.loads(text)
    assert chat(server)[0].status == 200
    ledger = server.ledger()
    assert (ledger["requests"], ledger["sent"], ledger["good"], ledger["usage"]["responses"]) == (2, 2, 1, 1)


def test_a_fraction_of_a_second_is_told_in_milliseconds(server: FaultServer) -> None:
    server.change(script=["429-after"], retry_after=0.02)
    assert chat(server)[0].headers["retry-after-ms"] == "20"


def test_a_page_with_status_200(server: FaultServer) -> None:
    server.change(script=["html-200"])
    response, text = chat(server)
    assert (response.status, text[:5]) == (200, "<!DOC")
    assert server.ledger()["good"] == 0


def test_hang(server: FaultServer) -> None:
    server.change(script=["hang"])
    with pytest.raises(TimeoutError):
        post(server, "/v1/chat/completions", question(), timeout=0.1)
    settle(server)
    [entry] = server.entries()
    assert (entry["fault"], entry["status"], entry["sent"]) == ("hang", 0, False)


def test_cut_before_the_head(server: FaultServer) -> None:
    server.change(script=["cut-head"])
    with pytest.raises((HTTPException, ConnectionError)):
        chat(server)
    assert server.ledger()["sent"] == 0


@pytest.mark.parametrize("stream", [False, True])
def test_cut_in_the_middle_of_the_body(server: FaultServer, stream: bool) -> None:
    server.change(script=["cut-body"])
    with pytest.raises(IncompleteRead):
        chat(server, stream=stream, stream_options={"include_usage": True})
    ledger = server.ledger()
    assert (ledger["sent"], ledger["usage"]["responses"], ledger["by_status"]) == (0, 0, {"200": 1})


@pytest.mark.parametrize("fault", sorted(CONTENT - {"no-choices"}))
@pytest.mark.parametrize("form", ["json_schema", "json_object"])
def test_content_that_cannot_be_used_is_paid_for(server: FaultServer, fault: str, form: str) -> None:
    server.change(script=[fault])
    _, text = chat(server, form=form)
    content = said(text)
    assert json.loads(text)["choices"][0]["finish_reason"] == ("length" if fault == "length" else "stop")
    if fault == "wrong-schema":
        assert not isinstance(json.loads(content).get("entities", 0), list)
    else:
        with pytest.raises(json.JSONDecodeError):
            json.loads(content)
    ledger = server.ledger()
    assert (ledger["sent"], ledger["good"], ledger["usage"]["responses"]) == (1, 0, 1)


def test_no_choices_and_no_usage(server: FaultServer) -> None:
    server.change(script=["no-choices", "no-usage"])
    assert json.loads(chat(server)[1])["choices"] == []
    text = chat(server)[1]
    assert json.loads(said(text)) == GOOD
    assert "usage" not in json.loads(text)
    assert server.ledger()["usage"]["responses"] == 1


def test_slow_and_late(server: FaultServer) -> None:
    server.change(script=["slow"])
    with pytest.raises(TimeoutError):
        post(server, "/v1/chat/completions", question(), timeout=0.01)
    settle(server)
    server.change(script=["good", "slow"])
    assert json.loads(said(chat(server)[1])) == GOOD
    assert [entry["sent"] for entry in server.entries()] == [False, True]


def test_streams_what_it_would_say(server: FaultServer) -> None:
    response, text = chat(server, stream=True, stream_options={"include_usage": True})
    assert response.headers["content-type"] == "text/event-stream"
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    chunks = [json.loads(line) for line in lines]
    deltas = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1]]
    assert json.loads("".join(deltas)) == GOOD
    usage = chunks[-1]["usage"]
    assert server.ledger()["usage"]["completion_tokens"] == usage["completion_tokens"] > 0


def test_refusals(server: FaultServer) -> None:
    server.change(refuse_json_schema=True, refuse_json_object=True)
    assert chat(server)[0].status == chat(server, form="json_object")[0].status == 400
    assert "I hope that this helps" not in said(chat(server, form="text")[1])
    server.change(key="secret")
    assert post(server, "/v1/chat/completions", question(), key="wrong")[0].status == 401
    server.change(key="", models=["one"])
    assert json.loads(chat(server)[1])["error"]["code"] == "model_not_found"
    server.change(models=[], context=5)
    assert json.loads(chat(server)[1])["error"]["code"] == "context_length_exceeded"
    assert post(server, "/v1/nothing", {})[0].status == 404
    assert post(server, "/v1/chat/completions", [])[0].status == 400
    assert server.ledger()["by_fault"] == {"refused": 7, "good": 1}


def test_a_limit_of_requests_is_kept(server: FaultServer) -> None:
    server.change(requests_per_window=2, window=0.2)
    answers = [chat(server)[0] for _ in range(3)]
    assert [response.status for response in answers] == [200, 200, 429]
    assert 0 < int(answers[2].headers["retry-after-ms"]) <= 200


def test_an_answer_longer_than_allowed_ends_early(server: FaultServer) -> None:
    _, text = chat(server, max_tokens=10)
    assert (tokens(said(text)), json.loads(text)["choices"][0]["finish_reason"]) == (10, "length")


def test_a_schema_in_the_prompt_is_followed_where_none_is_given(server: FaultServer) -> None:
    body = question(form="text")
    body["messages"][0]["content"] = f"Answer in JSON: {json.dumps(SCHEMA)} {{"
    content = said(post(server, "/v1/chat/completions", body)[1])
    assert json.loads(content.split("```")[1].removeprefix("json")) == GOOD


def test_embeddings(server: FaultServer) -> None:
    plain = json.loads(post(server, "/v1/embeddings", {"input": ["a", "b"], "model": "m"})[1])
    packed = json.loads(
        post(server, "/v1/embeddings", {"input": ["a", "b"], "model": "m", "encoding_format": "base64"})[1]
    )
    for one, other in zip(plain["data"], packed["data"], strict=True):
        assert struct.unpack("<64f", base64.b64decode(other["embedding"])) == pytest.approx(one["embedding"], abs=1e-6)
    assert sum(each**2 for each in plain["data"][0]["embedding"]) == pytest.approx(1)
    server.change(shares={"wrong-schema": 1})
    assert len(json.loads(post(server, "/v1/embeddings", {"input": ["a", "b"]})[1])["data"]) == 1


def upload(server: FaultServer, lines: list[dict[str, Any]]) -> str:
    place = urlsplit(server.url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=5)
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    body = (
        '--edge\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--edge\r\nContent-Disposition: '
        f'form-data; name="file"; filename="in.jsonl"\r\nContent-Type: application/jsonl\r\n\r\n{text}\r\n--edge--\r\n'
    )
    connection.request("POST", "/v1/files", body.encode(), {"content-type": "multipart/form-data; boundary=edge"})
    told = json.loads(connection.getresponse().read())
    connection.close()
    assert told["bytes"] == len(text.encode())
    return str(told["id"])


def get(server: FaultServer, path: str) -> str:
    place = urlsplit(server.url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=5)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


@pytest.mark.parametrize("ending", ["completed", "expired", "failed"])
def test_batches(server: FaultServer, ending: str) -> None:
    server.change(batch_ending=ending, polls=2, shares={"500": 0.5}, faulty=["line"])
    endpoint = "/v1/chat/completions"
    lines = [
        {"custom_id": f"é{n}", "method": "POST", "url": endpoint, "body": question(f"Čapek {n}")} for n in range(20)
    ]
    asked = {"input_file_id": upload(server, lines), "endpoint": endpoint, "completion_window": "24h"}
    batch = json.loads(post(server, "/v1/batches", asked)[1])
    assert batch["status"] == "validating"
    statuses: list[str] = []
    while not statuses or statuses[-1] == "in_progress":
        batch = json.loads(get(server, f"/v1/batches/{batch['id']}"))
        statuses.append(batch["status"])
    assert statuses == ["in_progress", "in_progress", ending]
    if ending == "failed":
        assert batch["errors"]["data"]
        return
    files = [get(server, f"/v1/files/{batch[name]}/content") for name in ("output_file_id", "error_file_id")]
    good, bad = ([json.loads(line) for line in text.splitlines()] for text in files)
    assert {line["custom_id"] for line in (*good, *bad)} == {line["custom_id"] for line in lines}
    assert batch["request_counts"] == {"total": 20, "completed": len(good), "failed": len(bad)}
    assert json.loads(good[0]["response"]["body"]["choices"][0]["message"]["content"])["entities"] == ["Čapek"]
    assert len([line for line in bad if line["error"]]) == (10 if ending == "expired" else 0)
    assert server.ledger()["by_kind"]["line"] == (10 if ending == "expired" else 20)


def test_faults_depend_on_content_and_attempt_alone() -> None:
    plan = Plan(shares=mixed(0.3), seed=4)
    drawn = {(text, attempt): plan.fault("chat", text, attempt) for text in map(str, range(500)) for attempt in (1, 2)}
    assert drawn == {which: plan.fault("chat", *which) for which in drawn}
    hit = [fault for fault in drawn.values() if fault != "good"]
    assert set(hit) == set(FAULTS)
    assert 0.25 < len(hit) / len(drawn) < 0.35
    assert FAULTS.keys() > CONTENT
    assert not CONTENT & ANSWERED
    assert plan.fault("models", "1", 1) == "good"


@pytest.mark.parametrize("wrong", [{"shares": {"nonsense": 0.1}}, {"shares": {"500": 1.1}}, {"nonsense": 1}])
def test_a_wrong_plan_is_refused(server: FaultServer, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"nonsense|beyond 1"):
        server.change(**wrong)


def test_any_schema_is_followed() -> None:
    schema = {
        "$defs": {"Kind": {"enum": ["a", "b"]}},
        "properties": {
            "kind": {"$ref": "#/$defs/Kind"},
            "count": {"type": "integer", "minimum": 3, "maximum": 4},
            "sure": {"type": "boolean"},
            "why": {"type": "string", "minLength": 40, "maxLength": 40},
            "parts": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"properties": {"x": {"const": 7}}}},
            "triples": {
                "type": "array",
                "items": {"type": "object", "properties": {"s": {"type": "string"}, "r": {}, "o": {}}},
            },
        },
    }
    value = answer(schema, [PASSAGE])
    assert value["kind"] in {"a", "b"}
    assert 3 <= value["count"] <= 4
    assert isinstance(value["sure"], bool)
    assert len(value["why"]) == 40
    assert value["parts"] == [{"x": 7}, {"x": 7}]
    assert value["triples"][1] == {"s": "Fram", "r": "from", "o": "Larvik"}
    assert found_in("nothing here") == ([], [])
    assert schema_in(["no {brace}", 'but {"properties": {}} here']) == {"properties": {}}
    assert passage_of(["```\nin a fence\n```"]) == "in a fence"
    assert passage_of(['Look: [{"number": 1, "text": "one"}, {"parts": [{"text": "two"}]}] {"text": 3}']) == "one\ntwo"


def test_the_process_ends_with_its_context() -> None:
    with FaultServer() as server:
        place = urlsplit(server.url)
    with pytest.raises(ConnectionError):
        socket.create_connection((place.hostname or "", place.port or 0), timeout=1)
