"""Filters: the language, what they mean, and that nothing else than `InputError` comes of any text."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.text.metadata_filter import MetadataFilter, parse_filter
from hippograph.types import Scalar
from tests.text.strategies import rich_text

OWN = {"id": "d1", "source": "a/Öl.txt", "title": "The Fram"}
METADATA: dict[str, Scalar] = {
    "year": 2020, "share": 0.5, "csv": "2020", "padded": " 07 ", "draft": True, "flag": "TRUE", "lang": "de",
    "empty": "", "date": "2021-03-04", "a b": "x", "and": "or", "name": "O'Brien", "path": "C:\\a\\b", "quote": '"',
    "größe": "groß", "word": "unknown", "zero": 0, "long": "9" * 400, "12": 12,
}  # fmt: skip


def holds(expression: str) -> bool:
    return parse_filter(expression).matches(METADATA, **OWN)


@pytest.mark.parametrize(
    "expression",
    [
        "year=2020", "year = 2020.0", "year=2.02e3", "year!=2021", "year >= 2020", "year<2020.5", "year in (1, 2020)",
        "csv=2020", "csv='2020'", 'csv="2020"', "csv>=2019.5", "csv!='2020.0'", "csv=2020.0", "padded=7", "padded<8",
        "draft=true", "draft=TRUE", "draft!=false", "flag=true", "flag!=false", "flag=TRUE", "flag='TRUE'",
        "lang=de", "lang='de'", "lang in (fr,de)", "lang", "empty", "empty=''", "not missing", "zero", "zero=0",
        "lang>=d", "lang<e", "date>=2021-01-01", "date>'2020'", "date<2021-03-05", "date ~ -03-",
        "'a b'=x", '"and"="or"', "name=O'Brien", 'name="O\'Brien"', r"name='O\'Brien'", r"path=C:\a\b",
        r"path='C:\\a\\b'", r'quote="\""', "quote='\"'", "größe=groß", "größe~ROSS", "12=12", "year in(2020)",
        "id=d1", "source~öl", "source=a/O\u0308l.txt", "title='The Fram'", "title", "title~fram", "id>d0", "id!=d2",
        "lang=de or lang=en and year=1", "(lang=de or lang=en) and year=2020", "not lang=fr", "not (lang=fr or year=1)",
        "NOT not lang=de", "lang=de AND year=2020 And draft", "not missing=1", "word!=2020", "year!=abc", "word!=true",
        "long!=1", "share=.5", "share=+0.5", "zero=-0", "zero=0e400", "draft!=1",
    ],
)  # fmt: skip
def test_what_holds(expression: str) -> None:
    assert holds(expression)
    assert not holds(f"not ({expression})")


@pytest.mark.parametrize(
    "expression",
    [
        "year='2020'", "year>'2019'", "year=true", "zero=false", "draft=1", "draft>=1", "draft>false", "draft>=true",
        "csv='2020.0'", "date>=2020", "word<2020", "word>=2020", "year=abc", "year<abc", "year~20", "draft='true'",
        "missing=1", "missing!=1", "missing<1", "missing~1", "missing in (1)", "missing", "Lang=de", "lang=DE",
        "lang=en or lang=fr", "lang=de and year=1", "flag='true'", "lang~x", "id=D1", "long>1", "share=1e400",
    ],
)  # fmt: skip
def test_what_does_not_hold(expression: str) -> None:
    assert not holds(expression)


def test_fields_of_the_document_are_texts_unless_metadata_have_the_key() -> None:
    numbered = parse_filter("id = 1")
    assert numbered.matches({}, id="1", source="", title="")
    assert not numbered.matches({}, id="01", source="", title="")
    assert numbered.matches({"id": 1}, id="x", source="", title="")
    assert numbered.matches({"id": "01"}, id="x", source="", title="")
    assert not numbered.matches({"id": 2}, id="1", source="", title="")
    assert parse_filter("title = TRUE").matches({}, id="", source="", title="TRUE")
    assert not parse_filter("title = true").matches({}, id="", source="", title="TRUE")
    assert parse_filter("id > 1 and id ~ 0").matches({}, id="10", source="", title="")
    for condition in ("title", "title != x", "source ~ ''", "source < z"):
        assert not parse_filter(condition).matches({}, id="1", source="", title="")


@pytest.mark.parametrize(
    ("expression", "canonical"),
    [
        ("year>=2020", "year >= 2020"),
        ("'year' >= '2020'", 'year >= "2020"'),
        ("a=b AND (b=c and (d))", "a = b and b = c and d"),
        ("(a or (b or c)) and not(d and e)", "(a or b or c) and not (d and e)"),
        ("not not (a)", "not not a"),
        ("k in(a,'b c', 1,true,'true')", 'k in (a, "b c", 1, true, "true")'),
        ("k in (a)", "k = a"),
        ("'a'='\"'", "a = '\"'"),
        (r'"\'\""=""', '"\'\\"" = ""'),
        ("'not'!=\"or\"", '"not" != "or"'),
        ("'a!'='!b'", 'a! = "!b"'),
        ("a=b!", "a = b!"),
        ("'a!=b'~'a,b'", '"a!=b" ~ "a,b"'),
        (r"a='\\'", "a = \\"),
        ("true = true", '"true" = true'),
        ("1 = 1", '"1" = 1'),
    ],
)
def test_canonical_expressions(expression: str, canonical: str) -> None:
    parsed = parse_filter(expression)
    assert str(parsed) == canonical
    assert parse_filter(canonical) == parsed
    assert hash(parse_filter(canonical)) == hash(parsed)


def test_filters_that_differ_are_not_equal() -> None:
    written = ["a=1", "a='1'", "a=1.0", "a!=1", "a", "not a", "b=1", "a in (1, 2)", "a in (2, 1)", "a=true", "a='true'"]
    assert len({parse_filter(expression) for expression in written}) == len(written)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "character 1: expected a key, `not` or `(`, found the end"),
        ("  ", "character 3: expected a key"),
        ("year => 2020", "character 7: expected a value, found '>'; write >= instead of =>"),
        ("year == 2020", "character 7: expected a value, found '='; write = instead of =="),
        ("year==2020", "character 6: expected a value, found '='; write = instead of =="),
        ("year === 2020", "character 7: expected a value, found '='; write = instead of =="),
        ("year !== 2020", "character 8: expected a value, found '='; write != instead of !=="),
        ("x<>3", "character 3: expected a value, found '>'; write != instead of <>"),
        ("x =< 3", "character 4: expected a value, found '<'; write <= instead of =<"),
        ("title =~ a", "character 8: expected a value, found '~'; write ~ instead of =~"),
        ("= = 3", "character 1: expected a key, `not` or `(`, found '='; put texts"),
        ("a = = 3", "character 5: expected a value, found '='; put texts"),
        ("a && b", "character 3: expected `and`, `or` or the end, found '&&'; write and instead of &&"),
        ("a=1 || b", "character 5: expected `and`, `or` or the end, found '||'; write or instead of ||"),
        ("!draft", "character 1: a word begins with !; write `not draft`, or put it in quotes"),
        ("year = 1 and ! (draft)", "character 14: a word begins with !; write `not`, or put"),
        ("lang = !de", "character 8: a word begins with !; write `not de`, or put it in quotes"),
        ("title !~ Fram", "character 7: a word begins with !; write `not`"),
        ("year 2020", "character 6: expected `and`, `or` or the end, found '2020'"),
        ("title = The Fram", "character 13: expected `and`, `or` or the end, found 'Fram'; put texts with spaces"),
        ("state = OR", "character 9: expected a value, found 'OR'; put it in quotes"),
        ("(a", "character 3: expected `)`, found the end"),
        ("a)", "character 2: expected `and`, `or` or the end, found ')'"),
        ("a in b", "character 6: expected `(`, found 'b'"),
        ("a in ()", "character 7: expected a value"),
        ("a in (b c)", "character 9: expected `)`, found 'c'"),
        ("a and", "character 6: expected a key"),
        ("a = 'b", "character 5: the quote ' is never closed"),
        (r"a = 'C:\x'", "character 8: a backslash before"),
        ("a = 'b\\", "character 7: a backslash before"),
        ("a not in (b)", "character 3: expected `and`, `or` or the end, found 'not'"),
        ("(" * 100_000 + "a" + ")" * 100_000, "character 51: it is nested deeper than 50"),
        ("not " * 100_000 + "a", "character 201: it is nested deeper than 50"),
        (" or ".join(["a"] * 50_000), "it has more than 20000 words"),
        ("a in (" + ",".join(["b"] * 50_000) + ")", "it has more than 20000 words"),
    ],
)
def test_what_cannot_be_read(expression: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_filter(expression)
    assert message in str(error.value)
    assert repr(expression[:60])[:-1] in str(error.value)
    assert len(str(error.value)) < 300


def test_a_filter_is_a_text() -> None:
    with pytest.raises(InputError, match="not a text"):
        parse_filter(None)  # type: ignore[arg-type]


def test_long_filters_within_the_limits() -> None:
    many = parse_filter(f"id in ({','.join(f'd{number}' for number in range(9_000))})")
    assert many.matches({}, id="d8999", source="", title="")
    assert parse_filter(str(many)) == many
    deep = parse_filter("(not " * 25 + "a" + ")" * 25)
    assert parse_filter(str(deep)) == deep
    assert parse_filter(" and ".join(["a"] * 10_000)).matches({"a": 1}, **OWN)


# Random filters as nested tuples, which are written with needless quotes, parentheses and capitals, and worked out by
# rules of their own.
Tree = tuple[Any, ...]
Literal = tuple[str, Any]

names = st.sampled_from(["year", "lang", "a b", "and", "id", "title", "1", "true", "größe", "'", "!x", "missing"])
numbers = st.sampled_from(["1", "-1", "2.50", "1e1", "+3", ".5", "007", "10"])
free = st.sampled_from(
    ["", "de", "1", "2.5", "true", "FALSE", "a b", "OR", "e\u0301", "\u00e9", "(", 'a"b', "a'b", "\\", "!=", "\ud800"]
)
values = st.one_of(
    numbers.map(lambda text: (text, float(text))),
    st.sampled_from([("true", True), ("False", False)]),
    free.map(lambda text: (text, text)),
    rich_text.map(lambda text: (text, text)),
)
conditions = st.one_of(
    st.tuples(st.just("has"), names),
    st.tuples(st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "~"]), names, values),
    st.tuples(st.just("in"), names, st.lists(values, min_size=1, max_size=3)),
)
trees = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=6,
)
scalars = st.one_of(
    st.sampled_from(["1", "2.5", " 10 ", "true", "FALSE", "de", "a b", "E\u0301", "", "x", "nan"]),
    st.sampled_from([1, -1, 2.5, 10, 0.5, True, False, 7, float("nan")]),
    free,
)
metadata_sets = st.dictionaries(names, scalars, max_size=6)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def written(tree: Tree) -> str:
    kind, *parts = tree
    if kind == "has":
        return quoted(parts[0])
    if kind == "not":
        return f"NOT({written(parts[0])})"
    if kind in ("and", "or"):
        return f" {kind.upper()} ".join(f"({written(part)})" for part in parts[0])
    if kind == "in":
        return f"{quoted(parts[0])}In({','.join(map(literal, parts[1]))})"
    return f"{quoted(parts[0])}{kind}{literal(parts[1])}"


def literal(value: Literal) -> str:
    text, meaning = value
    return quoted(text) if isinstance(meaning, str) else text


def model(tree: Tree, metadata: dict[str, Any], own: dict[str, str]) -> bool:
    kind, *parts = tree
    if kind == "not":
        return not model(parts[0], metadata, own)
    if kind in ("and", "or"):
        outcomes = [model(part, metadata, own) for part in parts[0]]
        return all(outcomes) if kind == "and" else any(outcomes)
    key = parts[0]
    everything = {name: field for name, field in own.items() if field} | metadata
    if key not in everything:
        return False
    if kind == "has":
        return True
    if kind == "in":
        return any(compared("=", everything[key], value, typed=key in metadata) for value in parts[1])
    return compared(kind, everything[key], parts[1], typed=key in metadata)


def compared(operator: str, actual: Any, value: Literal, *, typed: bool) -> bool:
    text, wanted = value
    if not typed or operator == "~":
        wanted = text
    if operator == "~":
        return isinstance(actual, str) and caseless(wanted) in caseless(actual)
    pair = same_type(actual, wanted)
    if operator == "!=":
        return pair is None or pair[0] != pair[1]
    if pair is None:
        return False
    left, right = pair
    if operator == "=":
        return bool(left == right)
    if isinstance(right, bool):
        return False
    return bool({"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator])


def same_type(actual: Any, wanted: Any) -> tuple[Any, Any] | None:
    if isinstance(wanted, str):
        same = isinstance(actual, str)
        return (unicodedata.normalize("NFC", actual), unicodedata.normalize("NFC", wanted)) if same else None
    if isinstance(wanted, bool):
        actual = {"true": True, "false": False}.get(actual.lower()) if isinstance(actual, str) else actual
        return (actual, wanted) if isinstance(actual, bool) else None
    if isinstance(actual, str):
        try:
            actual = None if "n" in actual else float(actual)
        except ValueError:
            return None
    return None if actual is None or isinstance(actual, bool) else (actual, wanted)


def caseless(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


own_fields = st.fixed_dictionaries({"id": free, "source": free, "title": free})


@given(trees, metadata_sets, own_fields)
@settings(max_examples=200)
def test_filters_mean_what_the_model_says(tree: Tree, metadata: dict[str, Any], own: dict[str, str]) -> None:
    assert parse_filter(written(tree)).matches(metadata, **own) == model(tree, metadata, own)


@given(trees, metadata_sets, own_fields)
@settings(max_examples=200)
def test_filters_survive_being_written(tree: Tree, metadata: dict[str, Any], own: dict[str, str]) -> None:
    parsed = parse_filter(written(tree))
    again = parse_filter(str(parsed))
    assert again == parsed
    assert hash(again) == hash(parsed)
    assert str(again) == str(parsed)
    assert again.matches(metadata, **own) == parsed.matches(metadata, **own)


pieces = st.sampled_from(
    ["and", "or", "NOT", "in", "(", ")", ",", "=", "!=", "<", ">", "<=", "~", "'", '"', "\\", " ", "!", "a", "b c", "1",
     "true", "\n", "year>=2020", "(a)", "'q'"]
)  # fmt: skip


@given(st.one_of(st.text(), rich_text, st.lists(pieces, max_size=12).map("".join), st.lists(pieces).map(" ".join)))
@example("a\x1c=\x85b")
@settings(max_examples=400)
def test_any_text_is_a_filter_or_an_input_error(expression: str) -> None:
    try:
        parsed = parse_filter(expression)
    except InputError:
        return
    assert isinstance(parsed, MetadataFilter)
    assert parse_filter(str(parsed)) == parsed
    parsed.matches(METADATA, **OWN)
