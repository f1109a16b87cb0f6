"""The plainest reader: retrieve once, show the passages to a language model, and take its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

from pydantic import BaseModel, ConfigDict, field_validator

from hippograph.completions import Completion, ModelRequest, Sampling
from hippograph.errors import InputError
from hippograph.models.dialogues import ask
from hippograph.prompts.prompt import load_prompt, quoted
from hippograph.protocols import LanguageModel, Retriever
from hippograph.types import Answer, Hit, Step

__all__ = ["SinglePassReader"]


class _Reply(BaseModel):
    """What the model is to answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    answer: str
    support: list[int]
    sufficient: bool

    @field_validator("answer")
    @classmethod
    def _one_line(cls, answer: str) -> str:
        return " ".join(answer.split())


@dataclass(frozen=True, kw_only=True)
class SinglePassReader:
    """Answer a question from the passages of one ranking, in one call.

    Parameters
    ----------
    retriever
        Finds the passages.
    model
        Reads them.
    k
        How many passages it is shown. HippoRAG 2 shows 5 (`qa_top_k`).
    sampling
        How the model chooses its words.

    Raises
    ------
    InputError
        If `k` is below 1.

    References
    ----------
    HippoRAG 2, "From RAG to Memory" (Gutiérrez et al., ICML 2025), section 3: question answering over the top passages.

    Examples
    --------
    >>> from hippograph.testing.scripted import ScriptedModel
    >>> from hippograph.types import Passage, Ranking
    >>> class Nearest:
    ...     def retrieve(self, queries, *, k):
    ...         hit = Hit(passage=Passage(id="fram", document="fram", text="The Fram lies in Oslo."), score=1.0)
    ...         return [Ranking(query=query, hits=(hit,)) for query in queries]
    >>> model = ScriptedModel(answers=['{"answer": "Oslo", "support": [1], "sufficient": true}'])
    >>> answer = SinglePassReader(retriever=Nearest(), model=model).read("Where does the Fram lie?")
    >>> answer.text, answer.complete, [passage.id for passage in answer.citations]
    ('Oslo', True, ['fram'])
    """

    retriever: Retriever
    model: LanguageModel
    k: int = 5
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=512))

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InputError(f"k is {self.k}; show the model at least 1 passage")

    def read(self, question: str) -> Answer:
        """Answer a question; the answer says which passages it rests on, and whether they were enough.

        Raises
        ------
        InputError
            If the question is blank.
        ModelError
            If something is wrong that concerns every question: a wrong key, no such model, no server.
        """
        started = perf_counter()
        [ranking] = self.retriever.retrieve([question], k=self.k)
        found = Step(kind="retrieve", query=question, hits=ranking.hits, seconds=perf_counter() - started)
        if not ranking.hits:
            return Answer(question=question, text="", complete=False, steps=(found,), error="no passage was found")
        [completion] = ask(self.model, [self._request(question, ranking.hits)])
        reply = completion.value
        if not isinstance(reply, _Reply):
            step = _told(question, ranking.hits, completion, note=completion.error)
            error = f"the model's answer is {completion.status}: {completion.error}"
            return Answer(
                question=question, text="", complete=False, steps=(found, step), usage=step.usage, error=error
            )
        shown = {place for place in reply.support if 1 <= place <= len(ranking.hits)}
        dropped = sorted(set(reply.support) - shown)
        note = f"cites passages that were not shown: {', '.join(map(str, dropped))}" if dropped else ""
        step = _told(question, ranking.hits, completion, note=note)
        return Answer(
            question=question,
            text=reply.answer,
            complete=reply.sufficient and bool(reply.answer),
            citations=tuple(ranking.hits[place - 1].passage for place in sorted(shown)),
            steps=(found, step),
            usage=step.usage,
        )

    def _request(self, question: str, hits: tuple[Hit, ...]) -> ModelRequest:
        passages = [
            {"number": place, "title": hit.passage.title, "text": hit.passage.text}
            for place, hit in enumerate(hits, start=1)
        ]
        filled = load_prompt("answer").fill(passages=quoted(passages), question=quoted(question))
        return ModelRequest(messages=filled, schema=_Reply, sampling=self.sampling)


def _told(question: str, hits: tuple[Hit, ...], completion: Completion, *, note: str) -> Step:
    return Step(
        kind="answer",
        query=question,
        hits=hits,
        text=completion.text,
        note=note,
        usage=completion.usage,
        seconds=completion.seconds,
    )
