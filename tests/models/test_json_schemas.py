"""JSON schemas as strict servers take them."""

import json
from typing import Any, Literal, NamedTuple

import pytest
from pydantic import BaseModel, Field, RootModel

from hippograph.models.json_schemas import response_format, schema_text, strict_schema


class Fact(NamedTuple):
    subject: str
    relation: str
    object: str


class Place(BaseModel):
    title: str = ""
    kind: Literal["town", "land"] = "town"


class Tree(BaseModel):
    default: str
    children: list["Tree"] = []


class Circle(BaseModel):
    kind: Literal["circle"]


class Square(BaseModel):
    kind: Literal["square"]


class Answer(BaseModel):
    """An answer with all that may trouble a server."""

    triples: list[tuple[str, str, str]] = Field(default=[], description="facts")
    fact: Fact | None = None
    mixed: tuple[str, int] = ("", 0)
    place: Place = Field(default_factory=Place, description="where")
    other: Place | None = None
    tree: Tree | None = None
    shape: Circle | Square = Field(discriminator="kind")
    names: set[str] = set()


def nodes(schema: Any) -> list[dict[str, Any]]:
    """All schemas within a schema; what `properties` and `$defs` hold by name included."""
    if isinstance(schema, list):
        return [node for part in schema for node in nodes(part)]
    if not isinstance(schema, dict):
        return []
    found = [schema]
    for key, value in schema.items():
        found += [node for part in value.values() for node in nodes(part)] if key in ("properties", "$defs") else []
        found += nodes(value) if key not in ("properties", "$defs", "enum", "const") else []
    return found


@pytest.mark.parametrize("schema", [Answer, Tree, Place, RootModel[list[Tree]], RootModel[dict[str, Place]]])
def test_nothing_that_strict_servers_refuse(schema):
    for node in nodes(strict_schema(schema)):
        assert not node.keys() & {"title", "default", "prefixItems", "oneOf", "discriminator", "uniqueItems", "allOf"}
        if "properties" in node:
            assert node["required"] == list(node["properties"])
            assert node["additionalProperties"] is False
        if "$ref" in node:
            assert node == {"$ref": "#/$defs/Tree"}


def test_only_what_refers_to_itself_stays_a_reference():
    assert strict_schema(Answer)["$defs"].keys() == {"Tree"}
    assert "$defs" not in strict_schema(Place)
    assert strict_schema(Tree)["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}


def test_names_that_look_like_keywords_stay():
    assert list(strict_schema(Place)["properties"]) == ["title", "kind"]
    assert list(strict_schema(Tree)["properties"]) == ["default", "children"]


def test_descriptions_and_choices_stay():
    properties = strict_schema(Answer)["properties"]
    assert properties["triples"]["description"] == "facts"
    assert properties["place"]["description"] == "where"
    assert properties["place"]["properties"]["kind"]["enum"] == ["town", "land"]


def test_tuples_are_arrays_of_a_length():
    properties = strict_schema(Answer)["properties"]
    three = {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3}
    assert properties["triples"]["items"] == three
    assert properties["fact"]["anyOf"] == [three, {"type": "null"}]
    assert properties["mixed"]["items"] == {"anyOf": [{"type": "string"}, {"type": "integer"}]}


def test_it_is_made_once():
    assert response_format(Answer) is response_format(Answer)
    assert response_format(Answer)["json_schema"]["schema"] is strict_schema(Answer)
    assert json.loads(schema_text(Answer)) == strict_schema(Answer)


def test_the_name_is_one_that_servers_take():
    assert response_format(RootModel[list[Tree]])["json_schema"]["name"] == "RootModel_list_Tree__"
