"""A language model that answers a few questions as an able one would, by what stands in the passages it is shown.

What it says is written by hand in a file: for each question the facts that lead to the answer, each with the words by
which a passage tells it, and for each state of knowledge what there is to say. So it answers wherever the passages are
found, in whichever order, and however prompts are worded; and where a passage is not found, it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from hippograph.completions import Completion, ModelRequest
from hippograph.errors import InputError, ModelError
from hippograph.testing.scripted import ScriptedModel

__all__ = ["KnowledgeState", "RecordedFact", "RecordedReading", "RecordedReadings"]

_LAYERS: Final = ("veridical", "semantic", "episodic")
_SUMMARIES: Final = " summaries"
_BRACKETED: Final = re.compile(r" ?\[([^\[\]]+)\]")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RecordedFact(_Record):
    """A fact on the way to an answer, or one that leads astray.

    Parameters
    ----------
    fact
        Its name.
    passage
        The title of the passage that tells it.
    words
        Words of the passage; whatever has them tells the fact.
    cue
        What is remembered of it, with these words.
    """

    fact: str
    passage: str
    words: str
    cue: str


class KnowledgeState(_Record):
    """What there is to say when some facts are known.

    Parameters
    ----------
    knows
        The names of the facts; others may be known besides.
    says
        The values of a reply's fields, whatever the task. A title in brackets stands for the number of that passage.
    """

    knows: tuple[str, ...]
    says: dict[str, str | bool | tuple[str, ...]]


class RecordedReading(_Record):
    """All there is to say to one question.

    Parameters
    ----------
    question
        The question, as it is asked.
    facts
        In the order in which they are to be found.
    states
        Those that know most first; of those that fit, the first counts.
    """

    question: str
    facts: tuple[RecordedFact, ...]
    states: tuple[KnowledgeState, ...]

    @property
    def needed(self) -> tuple[RecordedFact, ...]:
        """The facts that an answer rests on: those that any state knows."""
        known = {name for state in self.states for name in state.knows}
        return tuple(fact for fact in self.facts if fact.fact in known)


@dataclass(frozen=True, kw_only=True)
class RecordedReadings:
    """Answers the questions of a file as an able model would that knows nothing but what it is shown.

    It tells what is wanted by the fields of the request's schema, never by the words of a prompt, and what is known by
    the words that stand in the request: in passages, in a note or memory, in thoughts. What only a summary says is not
    known, for it cannot be cited. Then it fills the fields:

    * `support`: the numbers of the passages that tell what is known, as far as the request shows them, and those that
      the request gives as the support of its note; `memories`: of the memories that rest on passages, those that tell
      it;
    * the cues `veridical`, `semantic` and `episodic`: what is to be remembered of all facts in the passages and in the
      summaries of that layer; their `support` are the passages that tell what an answer rests on;
    * `better`: which of two notes tells more of that, or a tie;
    * all others: as the file says for that state of knowledge.

    So an answer depends on the request alone, as it must to be kept and given again. What is not in the file is not
    answered: the future raises `ModelError`.

    Parameters
    ----------
    path
        The file: a JSON list of objects like `RecordedReading`. It is read at once.
    concurrency
        How many requests it says it works on at a time; all are answered before `submit` returns.

    Raises
    ------
    InputError
        If the file cannot be read, or says something else.

    Examples
    --------
    >>> from hippograph.completions import Sampling
    >>> from hippograph.readers.tasks import AnswerReply, task_request
    >>> from hippograph.testing.toy_corpus import toy_passages, toy_readings_path
    >>> model = RecordedReadings(path=toy_readings_path())
    >>> question = model.readings[0].question
    >>> town, river = (passage for passage in toy_passages() if passage.id in ("aldermere-town", "orrow"))
    >>> shown = [{"number": 7, "title": river.title, "text": river.text}]
    >>> note = "Ottilie Varga was born in Aldermere. Aldermere lies on the left bank of the Orrow."
    >>> told = {"question": question, "passages": shown, "note": note}
    >>> request = task_request("answer", told, schema=AnswerReply, sampling=Sampling())
    >>> model.submit(request).result().value
    AnswerReply(answer='Gulf of Farrow', support=[7], sufficient=True)
    """

    path: Path
    concurrency: int = 4
    readings: tuple[RecordedReading, ...] = field(init=False, repr=False, compare=False)
    fingerprint: str = field(init=False, repr=False, compare=False)
    _scripted: ScriptedModel = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            text = self.path.read_bytes()
            readings = TypeAdapter(tuple[RecordedReading, ...]).validate_json(text)
        except (OSError, ValidationError) as error:
            message = f"{self.path} holds no recorded readings ({error}); write a list of objects like RecordedReading"
            raise InputError(message) from error
        for reading in readings:
            _check(reading, self.path)
        scripted = ScriptedModel(answers=self._reply, concurrency=self.concurrency)
        object.__setattr__(self, "readings", readings)
        object.__setattr__(self, "fingerprint", f"recorded readings:{sha256(text).hexdigest()[:12]}")
        object.__setattr__(self, "_scripted", scripted)

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
        material = _material(request.messages[-1].text)
        question = material.get("question")
        reading = next((reading for reading in self.readings if reading.question == question), None)
        if reading is None:
            raise ModelError(f"{self.path} has no reading of the question {question!r}; ask one that it has")
        if request.schema is None:
            raise ModelError(f"{self.path} has no answer in free text; give the request a schema")
        wanted = request.schema.model_fields
        values = _cues(reading, material) if wanted.keys() & set(_LAYERS) else _said(reading, material)
        values["better"] = _better(reading, material)
        if missing := [name for name, form in wanted.items() if form.is_required() and name not in values]:
            raise ModelError(
                f"{self.path} has nothing to say of {', '.join(missing)}; add it to the states of {question!r}"
            )
        return json.dumps({name: value for name, value in values.items() if name in wanted}, ensure_ascii=False)


def _check(reading: RecordedReading, path: Path) -> None:
    """Complain of a state that knows what there is not."""
    names = {fact.fact for fact in reading.facts}
    for state in reading.states:
        if unknown := sorted(set(state.knows) - names):
            message = f"{path}: a state of {reading.question!r} knows {unknown[0]!r}; there is no such fact"
            raise InputError(message)


def _material(text: str) -> Mapping[str, Any]:
    """Return the object that a message begins with; an empty one if it begins otherwise."""
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _said(reading: RecordedReading, material: Mapping[str, Any]) -> dict[str, object]:
    """Say what the state of knowledge that the material is for has to say."""
    texts = list(_texts(material))
    known = {fact.fact for fact in reading.facts if any(fact.words in text for text in texts)}
    state = next((state for state in reading.states if known.issuperset(state.knows)), None)
    if state is None:
        return {}
    facts = [fact for fact in reading.facts if fact.fact in state.knows]
    numbers = _numbers(reading.facts, material)
    support = {numbers[fact.passage] for fact in facts if fact.passage in numbers}
    carried = material.get("support")
    values: dict[str, object] = {name: _numbered(value, numbers) for name, value in state.says.items()}
    return values | {
        "support": sorted(support.union(carried if isinstance(carried, list) else ())),
        "memories": [
            memory["memory"]
            for memory in _objects(material, "memories")
            if memory.get("passages") and any(fact.words in memory["text"] for fact in facts)
        ],
    }


def _cues(reading: RecordedReading, material: Mapping[str, Any]) -> dict[str, object]:
    """Say what is to be remembered of each layer."""
    passages = list(_objects(material, "passages"))
    told = {"veridical": [passage["text"] for passage in passages]}
    told |= {layer: material.get(f"{layer}{_SUMMARIES}", ()) for layer in _LAYERS[1:]}
    values: dict[str, object] = {
        layer: " ".join(fact.cue for fact in reading.facts if any(fact.words in text for text in texts))
        for layer, texts in told.items()
    }
    words = [fact.words for fact in reading.needed]
    return values | {
        "support": [passage["number"] for passage in passages if any(some in passage["text"] for some in words)]
    }


def _better(reading: RecordedReading, material: Mapping[str, Any]) -> str:
    """Return which of the notes `A` and `B` tells more of what an answer rests on."""
    told = [list(_texts(material.get(name))) for name in ("A", "B")]
    one, two = (sum(any(fact.words in text for text in texts) for fact in reading.needed) for texts in told)
    return "tie" if one == two else "A" if one > two else "B"


def _texts(value: object) -> Iterator[str]:
    """Return all texts in a value that may be relied on: what is no summary of many passages."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, dict) and value.get("kind") not in _LAYERS[1:]:
        for name, part in value.items():
            if not name.endswith(_SUMMARIES):
                yield from _texts(part)


def _numbers(facts: Sequence[RecordedFact], material: Mapping[str, Any]) -> dict[str, int]:
    """Return the numbers of passages by their titles: of those shown, and those that a text names behind a fact."""
    numbers: dict[str, int] = {}
    for text in _texts(material):
        for fact in facts:
            if found := re.search(rf"{re.escape(fact.words)}[^\[\]]*\[(\d+)\]", text):
                numbers[fact.passage] = int(found[1])
    shown = [passage for name in ("passages", "evidence") for passage in _objects(material, name)]
    return numbers | {passage["title"]: passage["number"] for passage in shown}


def _numbered(value: object, numbers: Mapping[str, int]) -> object:
    """Put numbers in the place of titles in brackets, and nothing in that of titles that have none."""
    if not isinstance(value, str):
        return value
    return _BRACKETED.sub(lambda found: f" [{numbers[found[1]]}]" if found[1] in numbers else "", value)


def _objects(material: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    given = material.get(name, ())
    yield from (one for one in given if isinstance(one, dict)) if isinstance(given, list) else ()
