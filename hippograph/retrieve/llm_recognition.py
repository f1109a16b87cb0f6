"""Recognition memory by a language model: which of the triples near a query bear on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator

from hippograph.completions import Completion, ModelRequest, Sampling
from hippograph.models.dialogues import Dialogue, converse
from hippograph.prompts.prompt import load_prompt, quoted
from hippograph.protocols import LanguageModel
from hippograph.retrieve.recognition import check_candidates
from hippograph.types import Recognition, Triple

__all__ = ["LLMRecognition"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LLMRecognition:
    """Ask a language model which triples bear on a query, one call a query, many queries at a time.

    The model answers with numbers, so that it can keep only what it was shown. An answer with a number that was not is
    asked for again, once, and else invalid as a whole. What queries and triples say is data: they are handed over as
    JSON, and whatever they order can change no more than which of them are kept.

    Parameters
    ----------
    model
        Any language model.
    sampling
        How the model chooses its words; HippoRAG 2 gives 512 tokens to an answer.

    References
    ----------
    HippoRAG 2, "From RAG to Memory" (Gutiérrez et al., ICML 2025), section 3.2: recognition memory.

    Examples
    --------
    >>> from hippograph.testing.scripted import ScriptedModel
    >>> memory = LLMRecognition(model=ScriptedModel(answers=['{"keep": [2]}', '{"keep": []}', "I am sorry"]))
    >>> triples = [Triple("Oslo", "lies in", "Norway"), Triple("Nansen", "sailed", "Fram")]
    >>> found = memory.recognise(["Who sailed the Fram?", "Who skied?", "Who swam?"], [triples] * 3)
    >>> [(one.status, one.kept) for one in found]
    [('done', (1,)), ('empty', ()), ('invalid', ())]
    """

    model: LanguageModel
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=512))

    @property
    def calls_per_query(self) -> int:
        """One; a query near no fact makes none."""
        return 1

    def recognise(self, queries: Sequence[str], triples: Sequence[Sequence[Triple]]) -> list[Recognition]:
        """Judge the candidates of each query; without candidates nothing is asked, and it is `empty`.

        Returns
        -------
        `done`, or `empty` if the model has kept nothing; `invalid` if its answer could not be used even when it was
        asked again; `failed` if it did not answer.

        Raises
        ------
        InputError
            If there are not as many lists of triples as queries.
        ModelError
            If something is wrong that concerns all queries: a wrong key, no such model, no server.
        """
        check_candidates(queries, triples)
        dialogues = (self._judge(query, candidates) for query, candidates in zip(queries, triples, strict=True))
        judged = dict(converse(self.model, dialogues))
        return [judged[number] for number in range(len(queries))]

    def _judge(self, query: str, triples: Sequence[Triple]) -> Dialogue[Recognition]:
        if not triples:
            return Recognition(status="empty")
        [answer] = yield [self._request(query, triples)]
        return _recognition(answer)

    def _request(self, query: str, triples: Sequence[Triple]) -> ModelRequest:
        facts = [{"number": number, "fact": list(triple)} for number, triple in enumerate(triples, start=1)]
        filled = load_prompt("recognise").fill(question=quoted(query), facts=quoted(facts))
        return ModelRequest(messages=filled, schema=_reply(len(triples)), sampling=self.sampling)


class _Reply(BaseModel):
    """What the model is to answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    keep: list[int]

    @field_validator("keep", mode="before")
    @classmethod
    def _are_numbers(cls, keep: object) -> object:
        if isinstance(keep, list) and any(isinstance(number, bool) for number in keep):
            raise ValueError("give the numbers of the facts, not true and false")
        return keep

    @field_validator("keep")
    @classmethod
    def _each_once(cls, keep: list[int]) -> list[int]:
        return list(dict.fromkeys(keep))


@lru_cache(maxsize=64)
def _reply(n_triples: int) -> type[_Reply]:
    """Describe an answer that keeps some of so many triples."""
    number = Annotated[int, Field(ge=1, le=n_triples)]
    # The most is for servers that enforce the schema: a small model would count on. Repetitions do no harm.
    keep = Annotated[list[number], Field(json_schema_extra={"maxItems": n_triples})]
    return create_model("Recognised", __base__=_Reply, keep=keep)


def _recognition(answer: Completion) -> Recognition:
    reply = answer.value
    spent = Recognition(status="empty", usage=answer.usage, first_usage=answer.first_usage)
    if answer.status != "done":
        return replace(spent, status=answer.status, error=answer.error)
    if not isinstance(reply, _Reply):
        return replace(spent, status="invalid", error="the model gave no list of facts")
    kept = tuple(number - 1 for number in reply.keep)
    return replace(spent, status="done" if kept else "empty", kept=kept)
