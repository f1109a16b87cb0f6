"""Descriptions of components: every parameter, and nothing of the machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from hippograph.evaluation.description import described
from hippograph.prompts.prompt import Prompt
from hippograph.retrieve.query_names import extracted_names
from hippograph.store.arrays import StringTable
from hippograph.store.snapshot import Snapshot
from hippograph.testing.doubles import CapitalsExtractor

SECRETS = (
    *("api_key", "api_keys", "apikey", "openai_apikey", "apiKey", "x-api-key", "X_API_KEY", "auth", "oauth"),
    *("auth_token", "basic_auth", "Authorization", "authorization_header", "authentication", "secrets", "passwords"),
    *("passwd", "passphrase", "tokens", "access_token", "base_urls", "uri", "headers", "cookies", "credentials"),
)


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model, whose fingerprint says all there is to know."""

    path: Path = Path("/home/ada/model.onnx")
    api_key: str = "sk-1"

    @property
    def fingerprint(self) -> str:
        return f"model:{self.path}:cls"


@dataclass(frozen=True, kw_only=True)
class Part:
    weight: float = 0.5
    _cache: dict[str, int] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Walk:
    """A retriever with all kinds of parameters."""

    snapshot: Snapshot = field(default_factory=Snapshot.empty)
    model: Model = field(default_factory=Model)
    parts: tuple[Part, ...] = (Part(), Part(weight=float("inf")))
    names: frozenset[str] = frozenset({"b", "a", "c"})
    table: Mapping[str, Any] = field(default_factory=lambda: {"z": 1, "a": None, "base_url": "http://ada:pw@host"})
    colour: Colour = Colour.RED
    data: Path = Path("/home/ada/openie.json")
    told: str = "replay of /home/ada/openie.json"
    api_key: str = "sk-2"
    scale: np.float32 = field(default_factory=lambda: np.float32(0.25))
    steps: int = 3
    exact: bool = True


def test_every_parameter_is_told_by_its_kind() -> None:
    assert described(Walk()) == {
        "type": "Walk",
        "snapshot": {"type": "Snapshot", "graph_digest": ""},
        "model": {"type": "Model", "fingerprint": "model:model.onnx:cls"},
        "parts": [{"type": "Part", "weight": 0.5}, {"type": "Part", "weight": "inf"}],
        "names": ["a", "b", "c"],
        "table": {"a": None, "z": 1},
        "colour": "red",
        "data": "openie.json",
        "told": "replay of openie.json",
        "scale": 0.25,
        "steps": 3,
        "exact": True,
    }


def test_nothing_of_the_machine_is_told() -> None:
    told = json.dumps(described(Walk()))
    assert not any(word in told for word in ("ada", "home", "sk-", "pw", "host"))


@pytest.mark.parametrize("change", [{"steps": 4}, {"exact": False}, {"names": frozenset()}, {"parts": ()}])
def test_another_parameter_is_another_description(change: dict[str, Any]) -> None:
    assert described(replace(Walk(), **change)) != described(Walk())


@pytest.mark.parametrize(
    "name",
    SECRETS,
)
def test_secrets_go_by_many_names(name: str) -> None:
    made = make_dataclass("Made", [(re.sub(r"\W", "_", name), str)], frozen=True)
    assert described(made("sk-1")) == {"type": "Made"}
    assert described({name: "sk-1", "of": {name: ["sk-2"]}}) == {"of": {}}


@pytest.mark.parametrize("name", ["author", "authors", "monkey", "keyboard", "tokenizer", "curl_tool", "passages"])
def test_other_names_are_told(name: str) -> None:
    assert described({name: "Ada"}) == {name: "Ada"}


def test_numbers_are_no_secrets() -> None:
    assert described({"max_tokens": 512, "keys": 2, "token": None}) == {"keys": 2, "max_tokens": 512, "token": None}


def test_what_is_bound_to_a_function_is_told() -> None:
    bound = described(partial(json.dumps, Part(), indent=2, api_key="sk-1"))
    part = {"type": "Part", "weight": 0.5}
    assert bound == {"type": "partial", "function": "json.dumps", "arguments": [part], "keywords": {"indent": 2}}
    method = described(extracted_names(CapitalsExtractor()).__call__)
    assert method == {
        "type": "method",
        "function": "hippograph.retrieve.query_names.ExtractedNames.__call__",
        "of": described(extracted_names(CapitalsExtractor())),
    }


def test_names_are_told_with_their_extractor() -> None:
    told = described(extracted_names(CapitalsExtractor()))
    extractor = {"type": "CapitalsExtractor", "fingerprint": CapitalsExtractor().fingerprint}
    assert told == {"type": "ExtractedNames", "extractor": extractor}


def test_arrays_are_told_by_their_content() -> None:
    ones = np.ones((2, 3), dtype=np.float32)
    assert re.fullmatch(r"float32\[2, 3\] [0-9a-f]{32}", str(described(ones)))
    assert described(ones) == described(np.ones((3, 2), dtype=np.float32).T)
    assert described(ones) != described(np.zeros((2, 3), dtype=np.float32))
    sparse = csr_array(np.eye(3))
    assert re.fullmatch(r"sparse float64\[3, 3\] [0-9a-f]{32}", str(described(sparse)))
    assert described(sparse) == described(csr_array(np.eye(3))) != described(csr_array(np.eye(3)[::-1]))


def test_data_is_told_by_its_digest() -> None:
    names = [f"name {n}" for n in range(101)]
    assert re.fullmatch(r"list\[101\] [0-9a-f]{32}", str(described(names)))
    assert described(names[:100]) == names[:100]
    assert described(StringTable.of(names)) == described(tuple(names)) == described(names)
    assert described([*names[:100], "another"]) != described(names)
    assert described(dict.fromkeys(names)) != described(dict.fromkeys(names, 1))
    assert described(frozenset(names)) == described(sorted(names))


def test_prompts_functions_and_strangers_are_told_by_name() -> None:
    prompt = Prompt.parse("greet", "# user\nSay hello to {{name}}.\n")
    assert described(prompt) == {"type": "Prompt", "digest": prompt.digest}
    assert described(json.dumps) == "json.dumps"
    assert described(Path) == "pathlib.Path"
    assert described(object()) == {"type": "object"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/models/qwen 3.gguf", "qwen 3.gguf"),
        (r"C:\models\qwen.gguf", "qwen.gguf"),
        ("openai:/srv/models/qwen.gguf:own:''", "openai:qwen.gguf:own:''"),
        (r"openai:C:\models\qwen.gguf:own", "openai:qwen.gguf:own"),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("https://ada:pw@host:80/v1/qwen?key=sk-1", "qwen"),
        ("model at http://host:8080, sir", "model at http sir"),
        ("postgres://ada:p@ss@host/facts of file:///home/ada/x.json", "facts of x.json"),
        ("replay of /home/ada lovelace/old files/openie.json", "replay of openie.json"),
        ("read ~ada/x.json and ~/y z", "read x.json and y z"),
        ("path=/home/ada/x", "path=x"),
        ("http://[bad/x", "x"),
        ("Represent this sentence: ", "Represent this sentence: "),
        ("and/or, 1/2, a / b, /", "and/or, 1/2, a / b, /"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_folders_are_taken_out_of_texts_and_nothing_else(text: str, told: str) -> None:
    assert described(text) == told


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    )
)
def test_it_is_json_and_always_the_same(value: object) -> None:
    first = json.dumps(described(value), allow_nan=False)
    assert json.dumps(described(value), allow_nan=False) == first
