"""A language model that knows nothing but what to look up: what loops gather if questions are taken apart well."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from hippograph.completions import Completion, ModelRequest
from hippograph.prompts.prompt import quoted
from hippograph.testing.scripted import ScriptedModel

__all__ = ["DecomposingModel"]

_SEVERAL: Final = frozenset({"queries", "probes", "questions"})
_ONE: Final = frozenset({"query", "probe", "thought"})
_OVER: Final = frozenset({"done"})
_GIST: Final = frozenset({"note", "summary", "veridical", "semantic", "episodic"})
_BETTER: Final = frozenset({"better"})


@dataclass(frozen=True, kw_only=True)
class DecomposingModel:
    """Proposes the sub-questions of known questions, and answers nothing.

    It tells what is wanted by the fields of the request's schema, never by the words of a prompt:

    * `queries`, `probes`, `questions`: all sub-questions that the request does not speak of yet, in their order; of
      `query`, `probe` and `thought` the next one, or the last one if there is none left;
    * `done`: whether there is none left;
    * `note`, `summary` and the cues `veridical`, `semantic` and `episodic`: what the request tells already (its own
      `note` and what its passages are called);
    * `better`: the longer of two notes, or a tie;
    * everything else: nothing. There is no answer, and nothing is sufficient; a reply that has a place for an answer
      cites nothing, any other all passages that it was given.

    Which question a request is about is told by the question that stands, quoted, in its last message; a sub-question
    is spoken of if it stands there as a whole. So an answer depends on the request alone, and the order in which loops
    ask does not matter. A request about no known question is told nothing to look up.

    Parameters
    ----------
    decompositions
        The sub-questions of each question, in the order in which they are to be answered; what they refer to is put in
        (`hippograph.evaluation.decompositions` reads and resolves those of published sets).
    concurrency
        How many requests it says it works on at a time.

    Examples
    --------
    >>> from hippograph.readers.memory import MemoryReader
    >>> from hippograph.types import Hit, Passage, Ranking
    >>> class Echo:
    ...     def retrieve(self, queries, *, k):
    ...         hits = [(Hit(passage=Passage(id=query, document=query, text="..."), score=1.0),) for query in queries]
    ...         return [Ranking(query=query, hits=some) for query, some in zip(queries, hits)]
    >>> parts = ("Which ship lies in Oslo?", "Whose is the Fram?")
    >>> model = DecomposingModel(decompositions={"Whose ship lies in Oslo?": parts})
    >>> answer = MemoryReader(retriever=Echo(), model=model).read("Whose ship lies in Oslo?")
    >>> [step.query for step in answer.steps if step.kind == "retrieve"]
    ['Whose ship lies in Oslo?', 'Which ship lies in Oslo?', 'Whose is the Fram?']
    >>> answer.outcome
    'not enough evidence'
    """

    decompositions: Mapping[str, Sequence[str]]
    concurrency: int = 4
    _scripted: ScriptedModel = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        scripted = ScriptedModel(answers=self._reply, concurrency=self.concurrency)
        object.__setattr__(self, "_scripted", scripted)

    @property
    def fingerprint(self) -> str:
        """Names the double, and what it knows."""
        known = json.dumps({question: list(parts) for question, parts in sorted(self.decompositions.items())})
        return f"decomposing:{sha256(known.encode()).hexdigest()[:12]}"

    @property
    def calls(self) -> int:
        """How many requests were answered."""
        return self._scripted.calls

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """What it was asked, in the order of submission."""
        return self._scripted.requests

    def submit(self, request: ModelRequest) -> Future[Completion]:
        """Take a request; it is answered at once."""
        return self._scripted.submit(request)

    def _reply(self, request: ModelRequest) -> str:
        if request.schema is None:
            return "nothing"
        last = request.messages[-1].text
        material = _material(last)
        parts = self._parts(last)
        left = [part for part in parts if quoted(part) not in last]
        schema = request.schema.model_json_schema()
        values = {
            name: _value(name, form, schema=schema, parts=parts, left=left, material=material)
            for name, form in schema.get("properties", {}).items()
        }
        return json.dumps(values, ensure_ascii=False)

    def _parts(self, text: str) -> Sequence[str]:
        """Return the sub-questions of the question that a text is about, the longest if several stand there."""
        about = [question for question in self.decompositions if quoted(question) in text]
        return self.decompositions[max(about, key=lambda question: (len(question), question))] if about else ()


def _value(
    name: str,
    form: Mapping[str, Any],
    *,
    schema: Mapping[str, Any],
    parts: Sequence[str],
    left: Sequence[str],
    material: Mapping[str, Any],
) -> object:
    """Say what a field of a reply is to hold."""
    kind = form.get("type")
    if kind == "array":
        if name in _SEVERAL:
            return list(left)
        is_numbers = form.get("items", {}).get("type") == "integer"
        return _numbers(material) if is_numbers and "answer" not in schema["properties"] else []
    if name in _ONE:
        return next(iter(left), parts[-1] if parts else "")
    if name in _GIST:
        return _gist(material)
    if name in _BETTER and "enum" in form:
        return _better(form["enum"], material)
    if "anyOf" in form:
        return None
    if kind == "boolean":
        return name in _OVER and not left
    if "enum" in form:
        return form["enum"][-1]
    return 0 if kind in {"integer", "number"} else ""


def _material(text: str) -> Mapping[str, Any]:
    """Return the object that a message begins with; an empty one if it begins otherwise."""
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _passages(material: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    given = material.get("passages", ())
    yield from (passage for passage in given if isinstance(passage, dict)) if isinstance(given, list) else ()


def _numbers(material: Mapping[str, Any]) -> list[int]:
    return [passage["number"] for passage in _passages(material) if isinstance(passage.get("number"), int)]


def _gist(material: Mapping[str, Any]) -> str:
    """Return the note that is given, and what the passages are called, as sentences."""
    note = material.get("note")
    known = [note] if isinstance(note, str) and note else []
    return " ".join(
        [
            *known,
            *(f"Passage {one.get('number', '')} tells of {one.get('title') or 'it'}." for one in _passages(material)),
        ]
    )


def _better(choices: Sequence[str], material: Mapping[str, Any]) -> str:
    """Return under which of the names the longest text stands; the last, which is the tie, if two are as long."""
    lengths = {choice: len(json.dumps(material.get(choice, ""))) for choice in choices}
    most = max(lengths.values())
    best = [choice for choice in choices if lengths[choice] == most]
    return best[0] if len(best) == 1 else choices[-1]
