"""Embeddings from an API, through a server that fails on purpose."""

import base64
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from hippograph.errors import InputError, ModelError
from hippograph.models.openai_embedder import OpenAIEmbedder
from hippograph.models.pacing import Limits
from hippograph.models.prices import Price
from hippograph.models.server_faults import RefusedError, TransientError, UnansweredError
from hippograph.protocols import Embedder, Metered
from hippograph.testing.contracts import check_embedder
from hippograph.types import Usage

TEXTS = [f"Passage {number} of the Fram." for number in range(23)]


def embedder_of(server, **more: Any) -> OpenAIEmbedder:
    limits = Limits(longest_wait=0.01, **more.pop("limits", {}))
    return OpenAIEmbedder(model="fault-model", base_url=server.base_url, limits=limits, **more)


class Answers:
    """Takes the place of an endpoint, and answers as it is told."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.bodies: list[dict[str, Any]] = []

    async def post(self, path: str, body: dict[str, Any], *, tally: Any, tokens: int, check: Any) -> None:
        self.bodies.append(body)
        tally.calls += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        check(answer)


def data(*vectors: Any, order: Any = None) -> dict[str, Any]:
    places = order or range(len(vectors))
    return {"data": [{"index": at, "embedding": vector} for at, vector in zip(places, vectors, strict=True)]}


def embed_with(server, monkeypatch, *answers: Any, texts: list[str] = TEXTS[:2], **more: Any) -> tuple[Any, Answers]:
    endpoint = Answers(*answers)
    with closing(embedder_of(server, **more)) as embedder:
        monkeypatch.setattr(embedder._endpoint, "post", endpoint.post)
        return embedder.embed(texts, role="passage"), endpoint


@pytest.mark.parametrize("more", [{}, {"dimensions": 16}, {"batch_size": 3}, {"query_prefix": "query: "}])
def test_the_contract(server, more):
    with closing(embedder_of(server, **more)) as embedder:
        assert isinstance(embedder, Embedder)
        assert isinstance(embedder, Metered)
        check_embedder(embedder)


def test_the_vectors_do_not_depend_on_the_batches(server):
    with closing(embedder_of(server)) as one, closing(embedder_of(server, batch_size=4)) as other:
        vectors = one.embed(TEXTS, role="passage")
        assert np.array_equal(vectors, other.embed(TEXTS, role="passage"))
        twice = other.embed(TEXTS + TEXTS[::-1], role="passage")
    assert np.array_equal(twice[: len(TEXTS)], vectors)
    assert np.array_equal(twice[len(TEXTS) :], vectors[::-1])


def test_what_is_spent_is_told_once(server):
    price = Price(0.02)
    with closing(embedder_of(server, batch_size=4, price=price)) as embedder:
        assert embedder.spent() == Usage()
        embedder.embed([*TEXTS, *TEXTS], role="passage")
        spent = embedder.spent()
        usage = server.ledger()["usage"]
        assert (spent.calls, spent.items) == (6, len(TEXTS))
        assert spent.input_tokens == usage["prompt_tokens"]
        assert spent.cost == pytest.approx(price.cost(spent.input_tokens))
        assert embedder.spent() == Usage()


def test_the_dimension_is_learnt_by_asking(server):
    server.change(dimension=24)
    with closing(embedder_of(server)) as embedder:
        assert embedder.dimension == 24
        assert embedder.dimension == 24
        assert embedder.embed([], role="query").shape == (0, 24)
    assert server.ledger()["requests"] == 1


def test_prefixes_and_texts_with_nothing_in_them(server, monkeypatch):
    vectors, endpoint = embed_with(server, monkeypatch, data([1, 0], [0, 1]), texts=["", "a", " \n", "a", "\0"])
    assert endpoint.bodies[0]["input"] == [".", "a"]
    assert vectors.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]]
    _, endpoint = embed_with(server, monkeypatch, data([1, 0]), texts=["\ud800"], passage_prefix="passage: ")
    assert endpoint.bodies[0]["input"] == ["passage: ?"]


@pytest.mark.parametrize("fault", ["429-after", "429", "500", "cut-body", "truncated", "no-choices", "prose"])
def test_what_may_pass_is_tried_again(server, fault):
    with closing(embedder_of(server, batch_size=8)) as embedder:
        expected = embedder.embed(TEXTS, role="passage")
        server.change(script=(fault,), reset=True)
        assert np.array_equal(embedder.embed(TEXTS, role="passage"), expected)
        assert embedder.spent().calls == 3 + server.ledger()["requests"] == 3 + 6


def test_a_server_that_fails_for_good(server):
    server.change(shares={"500": 1.0})
    with closing(embedder_of(server, batch_size=2, limits={"attempts": 2})) as embedder:
        with pytest.raises(ModelError, match=r"'fault-model' has failed: HTTP 500.*2 attempts; try again later"):
            embedder.embed(TEXTS, role="passage")
        server.change(shares={})
        assert embedder.embed(TEXTS, role="passage").shape == (23, 64)


def test_a_wrong_key_is_told_and_not_shown(server):
    server.change(key="another")
    with (
        closing(embedder_of(server, api_key=SecretStr("sk-nobody-sees"))) as embedder,
        pytest.raises(ModelError, match="give a valid API key") as told,
    ):
        embedder.embed(TEXTS, role="passage")
    assert "sk-nobody-sees" not in str(told.value) + repr(embedder) + embedder.fingerprint


def test_vectors_are_put_in_order_and_brought_to_length_one(server, monkeypatch):
    packed = base64.b64encode(np.array([0, 5], dtype="<f4").tobytes()).decode()
    vectors, endpoint = embed_with(server, monkeypatch, data(packed, [3, 4], order=[1, 0]))
    assert np.allclose(vectors, np.array([[0.6, 0.8], [0, 1]]))
    assert vectors.dtype == np.float32
    assert endpoint.bodies[0]["encoding_format"] == "base64"
    assert "dimensions" not in endpoint.bodies[0]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "no data"),
        ({"data": ["a", "b"]}, "no data"),
        (data([1, 0]), "1 vectors for 2 texts"),
        (data([1, 0], [0, 1], order=[0, 0]), r"numbered \[0, 0\]"),
        (data([1, 0], [0, 1], order=[0, 2]), r"numbered \[0, 2\]"),
        (data([1, 0], [0, 1, 0]), "shapes"),
        (data([], []), "shapes"),
        (data([1, 0], [0, 0]), "without a direction"),
        (data([1, 0], [float("nan"), 1]), "without a direction"),
        (data([1, 0], [float("inf"), 1]), "without a direction"),
        (data([1, 0], [None, 1]), "without a direction"),
        (data([1, 0], ["a", "b"]), "no vector"),
        (data([1, 0], "no base64!"), "no vector"),
        (data([1, 0], "AAAA"), "no vector"),
        (data([1, 0], None), "shapes"),
    ],
)
def test_what_is_no_answer_is_one_perhaps_the_next_time(server, monkeypatch, answer, why):
    with pytest.raises(TransientError, match=why):
        embed_with(server, monkeypatch, answer)


def test_another_length_than_asked_for(server, monkeypatch):
    with pytest.raises(ModelError, match="length 2 instead of 3; ask for 2, or for none"):
        embed_with(server, monkeypatch, data([1, 0], [0, 1]), dimensions=3)
    with pytest.raises(TransientError, match="length 3 instead of 2"):
        embed_with(server, monkeypatch, data([1, 0]), data([1, 0, 0]), batch_size=1)


def test_what_is_too_large_is_halved(server, monkeypatch):
    large = RefusedError("HTTP 413: batch size 3 > maximum allowed batch size 2", status=413)
    answers = [large, data([1, 0], [0, 1]), data([-1, 0])]
    vectors, endpoint = embed_with(server, monkeypatch, *answers, texts=TEXTS[:3])
    assert vectors.tolist() == [[1, 0], [0, 1], [-1, 0]]
    assert [body["input"] for body in endpoint.bodies] == [TEXTS[:3], TEXTS[:2], TEXTS[2:3]]


def test_a_text_that_is_too_large_is_named(server):
    server.change(context=50)
    with closing(embedder_of(server)) as embedder, pytest.raises(ModelError) as told:
        embedder.embed([*TEXTS, "long " * 1000], role="passage")
    assert "refuses a text of 5000 characters" in str(told.value)
    assert "cut the passages shorter" in str(told.value)
    assert len(str(told.value)) < 400


def test_servers_that_give_only_floats(server, monkeypatch):
    refusal = RefusedError("unknown", status=422, parameter="encoding_format")
    _, endpoint = embed_with(server, monkeypatch, refusal, data([1, 0], [0, 1]))
    assert [body["encoding_format"] for body in endpoint.bodies] == ["base64", "float"]


def test_no_answer_at_all(server, monkeypatch):
    with pytest.raises(ModelError, match="try again later"):
        embed_with(server, monkeypatch, UnansweredError("HTTP 500; 6 attempts"))


def test_names_and_mistakes():
    url = "http://localhost:1/v1"
    one = OpenAIEmbedder(model="m", base_url=url, query_prefix="q: ", passage_prefix="p: ")
    assert one.fingerprint == "openai:m:own:'q: ':'p: '"
    assert OpenAIEmbedder(model="m", base_url="http://localhost:2", query_prefix="q: ", passage_prefix="p: ") != one
    for wrong in ({"model": ""}, {"batch_size": 0}, {"dimensions": 0}, {"base_url": "localhost"}):
        with pytest.raises(InputError):
            OpenAIEmbedder(**({"model": "m", "base_url": url} | wrong))


def test_closing(server):
    embedder = embedder_of(server)
    embedder.close()
    embedder.close()
    with pytest.raises(InputError, match="closed"):
        embedder.embed(["a"], role="passage")


def test_tokens_that_a_server_does_not_tell_are_estimated(server):
    server.change(shares={"no-usage": 1.0})
    with closing(embedder_of(server)) as embedder:
        embedder.embed(TEXTS, role="passage")
        assert embedder.spent().input_tokens == server.ledger()["unreported"]["prompt_tokens"] >= len(TEXTS)


@pytest.mark.parametrize(("status", "remedy"), [(403, "leave the passage out"), (404, "still has the model")])
def test_a_text_that_is_forbidden(server, monkeypatch, status, remedy):
    refusal = RefusedError(f"HTTP {status}: No", status=status)
    with pytest.raises(ModelError, match=rf"refuses a text of 22 characters \(HTTP {status}: No\).*{remedy}"):
        embed_with(server, monkeypatch, refusal, texts=["Passage 0 of the Fram."])
