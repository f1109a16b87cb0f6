"""The fault server's model answers whatever it is asked for, and so can tests without a server."""

import json
from typing import Annotated, Any, Literal

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model

from hippograph.completions import Message, ModelRequest
from hippograph.models.json_schemas import strict_schema
from tests.servers.answers import schema_answer


class Inner(BaseModel):
    name: str = Field(min_length=3, max_length=5)
    sure: bool | None


class Chain(BaseModel):
    links: list["Chain"]
    end: "Chain | None"


FIELDS: dict[str, Any] = {
    "text": str,
    "support": list[int],
    "queries": Annotated[list[str], Field(max_length=2)],
    "entities": list[str],
    "count": Annotated[int, Field(gt=2, lt=5)],
    "share": Annotated[float, Field(ge=0, le=1)],
    "odds": Annotated[float, Field(gt=0, lt=0.5)],
    "verdict": Literal["keep", "change"],
    "why": str | None,
    "pair": tuple[str, int],
    "names": Annotated[set[str], Field(max_length=3)],
    "nested": list[Inner],
    "by_name": dict[str, Inner],
    "chain": Chain,
    "nothing": None,
}


@given(st.sets(st.sampled_from(sorted(FIELDS)), min_size=1), st.text(), st.booleans())
def test_what_is_answered_fits_any_schema(names: set[str], text: str, strict: bool) -> None:
    fields: dict[str, Any] = {name: (FIELDS[name], ...) for name in sorted(names)}
    model = create_model("Reply", **fields)
    request = ModelRequest(messages=(Message("system", "Read."), Message("user", text)), schema=model)
    # Strict schemas, as servers are given them, say less of tuples than is meant.
    schema = strict_schema(model) if strict and "pair" not in names else model.model_json_schema()
    said = schema_answer(schema, request)
    model.model_validate_json(said)
    assert said == schema_answer(schema, request)


def test_each_conversation_has_an_answer_of_its_own() -> None:
    schema = create_model("Reply", sure=(bool, ...), support=(list[int], ...), text=(str, ...)).model_json_schema()
    shown = json.dumps(
        {"passages": [{"number": number, "text": "Fridtjof Nansen sailed the Fram."} for number in (1, 2, 3)]}
    )
    asked = [ModelRequest(messages=(Message("user", f"{shown} {number}"),)) for number in range(100)]
    said = [json.loads(schema_answer(schema, request)) for request in asked]
    assert {each["sure"] for each in said} == {True, False}
    # One more than there are: a citation of what was not shown.
    assert {number for each in said for number in each["support"]} == {1, 2, 3, 4}
    assert {len(each["support"]) for each in said} == {1, 2, 3}
    assert all(each["text"] in "Fridtjof Nansen sailed the Fram Fridtjof Nansen sailed the Fram" for each in said)
