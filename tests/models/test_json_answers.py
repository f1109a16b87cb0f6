"""Objects out of what models write."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from json_repair import repair_json
from pydantic import BaseModel, field_validator

from hippograph.models import json_answers
from hippograph.models.json_answers import InvalidAnswerError, clean, read_answer, without_thoughts


class Facts(BaseModel):
    names: list[str] = []
    triples: list[tuple[str, str, str]] = []


GOOD = Facts(names=["Nansen", "Fram"], triples=[("Nansen", "sailed", "Fram")])
WRITTEN = json.dumps(GOOD.model_dump())

texts = st.text(max_size=20)
facts = st.builds(
    Facts, names=st.lists(texts, max_size=4), triples=st.lists(st.tuples(texts, texts, texts), max_size=3)
)


@pytest.mark.parametrize(
    "text",
    [
        WRITTEN,
        f"  {WRITTEN}\n",
        f"```json\n{WRITTEN}\n```",
        f"```\n{WRITTEN}\n```",
        f"Here is what I found:\n```json\n{WRITTEN}\n```\nAnything else?",
        f"Of course! {WRITTEN} I hope that this helps {{really}}.",
        f"A {{good}} question. {WRITTEN}",
        f"Such as {{}}? No: {WRITTEN}",
        json.dumps(WRITTEN),
        f'<think>I write {{"names": ["Oslo"]}} first.</think>{WRITTEN}',
        f'I write {{"names": ["Oslo"]}} first.\n</think>\n\n{WRITTEN}',
        WRITTEN.replace("]}", "],}"),
        WRITTEN.replace('"', "'"),
        WRITTEN.replace('"names"', "names"),
        WRITTEN[:-1],
        WRITTEN[:-2],
        WRITTEN.replace("], ", "], // names first\n"),
        f"```json\n{WRITTEN[:-1]}\n```",
        f"{WRITTEN[:-1].replace('[[', '[ [')},}} That is all.",
    ],
)
def test_answers_that_can_be_read(text):
    assert read_answer(text, Facts) == GOOD


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("  \n", "it is empty"),
        ("<think>Let me see.</think>", "it is empty"),
        ("<think>Let me see. {", "it is empty"),
        ("I am sorry, but I cannot help with that.", "there is no JSON"),
        ("I think that [this] and {that} is prose.", "."),
        ("{}", "none of the fields names, triples"),
        ('{"people": ["Nansen"]}', "none of the fields"),
        ("[]", "valid dict"),
        ('{"names": {"wrong": true}}', "names: "),
        ('{"names": ["a"], "triples": [["a", "b"]]}', "triples.0.2: Field required"),
        (WRITTEN[: WRITTEN.index("sailed") + 3], "ends in the middle"),
        ('{"names": ["Nansen"], "triples": [["a", "b", "c"], ["d", "e', "ends in the middle"),
        ('{"names": ["Nansen"], "triples": [["a", "b", "c"], ', "ends in the middle"),
        ("[" * 100_000, "."),
        ('{"names": ' * 20_000, "."),
        ("{" + "x" * 200_000 + '"}', "."),
    ],
)
def test_answers_that_cannot_be_read(text, why):
    with pytest.raises(InvalidAnswerError, match=why) as told:
        read_answer(text, Facts)
    assert len(str(told.value)) <= 302


def test_a_part_of_a_broken_answer_is_not_taken_for_it():
    with pytest.raises(InvalidAnswerError):
        read_answer('{"found": {"names": ["Nansen"]}, "more": {"names": ["Fr', Facts)


def test_the_longest_answer_is_taken():
    assert read_answer(f'Not {{"names": []}} but {WRITTEN} or {{"names": ["x"]}}', Facts) == GOOD


def test_text_is_cleaned_also_within_escapes():
    text = '{"names": ["a\\u0000b", "\\ud800", "\\ud83d\\ude00", "\\u00e9"]}'
    assert read_answer(text, Facts).names == ["ab", "?", "😀", "é"]


def test_what_is_said_in_strings_is_no_thought():
    written = json.dumps({"names": ["<think>", "</think>"]})
    assert read_answer(written, Facts).names == ["<think>", "</think>"]


@given(facts)
def test_whatever_is_written_as_json_is_read(value):
    if value.model_fields_set:
        expected = Facts.model_validate(json.loads(clean(json.dumps(value.model_dump()))))
        expected = Facts(names=[clean(name) for name in expected.names], triples=expected.triples)
        read = read_answer(value.model_dump_json(), Facts)
        assert [clean(name) for name in read.names] == expected.names
        assert len(read.triples) == len(expected.triples)


# A cut right behind a bracket within a string cannot be told from a quote that was forgotten.
whole = facts.filter(lambda value: (value.names or value.triples) and not set("]}") & set("".join(value.names)))


@given(whole, st.data())
def test_a_cut_answer_loses_no_whole_item_unnoticed(value, data):
    written = value.model_dump_json()
    cut = written[: data.draw(st.integers(0, len(written) - 1))]
    try:
        read = read_answer(cut, Facts)
    except InvalidAnswerError:
        return
    # What is mended ends with a bracket: all that stands in it is there.
    assert cut.rstrip().endswith(("]", "}"))
    assert {clean(name) for name in read.names} <= {clean(name) for name in value.names}


@given(st.text(alphabet="ab {}[]\",:'\n`\\", max_size=60))
def test_whatever_is_written_there_is_an_answer_or_a_reason(text):
    try:
        read = read_answer(text, Facts)
    except InvalidAnswerError:
        return
    assert read.model_fields_set


@given(st.text())
def test_clean_text_can_be_stored(text):
    cleaned = clean(text + "\ud800\0")
    assert cleaned.encode().decode() == cleaned
    assert "\0" not in cleaned
    assert clean(cleaned) == cleaned


def test_thoughts_are_left_out_once():
    assert without_thoughts("The tag <think> opens thoughts.") == "The tag <think> opens thoughts."
    assert without_thoughts("<think>a</think>b</think>c") == "b</think>c"
    assert without_thoughts("<thinking>a</thinking> b").strip() == "b"


class Things(BaseModel):
    entities: list[dict[str, str] | str]
    score: float | None = None


class Tree(BaseModel):
    names: list[str] = []
    parts: list["Tree"] = []


class Countless(BaseModel):
    entities: list[int] = []

    @field_validator("entities")
    @classmethod
    def _counted(cls, value: list[int]) -> list[int]:
        raise RecursionError("too deep")


@pytest.fixture
def mended(monkeypatch):
    """How long each text was that the mender was given."""
    lengths: list[int] = []

    def watched(text, **options):
        lengths.append(len(text))
        return repair_json(text, **options)

    monkeypatch.setattr("hippograph.models.json_answers.repair_json", watched)
    return lengths


@pytest.mark.parametrize("depth", [60, 200, 500, 700, 900, 1_000, 1_500, 5_000])
@pytest.mark.parametrize(
    "form",
    [
        '{{"names": {open}{close}}}',
        '{{"names": {open}{close},}}',
        '{{"names": {open}"a",{close}}}',
        '{{"names": {open}1, x{close}}}',
        'Well: {{"names": {open}{close}}} "there".',
        '{{"other": {open}{close}}}',
        '{open}"',
    ],
)
@pytest.mark.parametrize("bracket", [("[", "]"), ('{"parts": [', "]}")])
@pytest.mark.parametrize("schema", [Facts, Tree])
def test_what_is_nested_deep_is_no_answer(depth, form, bracket, schema):
    text = form.format(open=bracket[0] * depth, close=bracket[1] * depth)
    with pytest.raises(InvalidAnswerError) as told:
        read_answer(text, schema)
    assert len(str(told.value)) <= 302


def test_the_reason_tells_of_the_nesting():
    with pytest.raises(InvalidAnswerError, match="nested more than 50 deep"):
        read_answer('{"names": ' + "[" * 700 + "]" * 700 + "}", Facts)


@pytest.mark.parametrize("text", ['{"entities": [1]}', '{"entities": [1],}'])
def test_what_a_check_cannot_cope_with_is_no_answer(text):
    with pytest.raises(InvalidAnswerError, match="cannot be checked: too deep"):
        read_answer(text, Countless)


pieces = st.sampled_from(
    [
        *['"', '\\"', "\\", "{", "}", "[", "]", ",", ":", "```json\n", "```", "'", "//", "/*", "#", "\n", " ", "NaN"],
        *[
            '{"names": ["a"]',
            '"triples": [',
            "\\u0000",
            "\\ud83d",
            "\ud83d",
            "\0",
            "<think>",
            "</think>",
            "9",
            "é",
            "-1e5",
        ],
    ]
)
repeated = st.builds(lambda piece, times: piece * times, st.lists(pieces, max_size=6).map("".join), st.integers(1, 400))
nested = st.builds(
    lambda inner, depth: '{"names": ' + "[" * depth + inner + "]" * depth + "}",
    st.text(max_size=5),
    st.integers(0, 1_500),
)
digits = st.builds(lambda times: '{"names": [' + "9" * times + "]}", st.integers(1, 6_000))
any_text = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=())),
    st.lists(st.one_of(repeated, nested, digits), max_size=4).map("".join),
)


@given(any_text, st.sampled_from([Facts, Things, Tree]))
@example("\ud83d", Facts)
@example('{"names": ["\udc00",]}', Facts)
@example('{"```json0```}', Facts)
def test_any_text_is_an_answer_or_a_reason(text, schema):
    try:
        read = read_answer(text, schema)
    except InvalidAnswerError as error:
        why = str(error)
    else:
        assert isinstance(read, schema)
        return
    assert 0 < len(why) <= 302
    assert why.encode()


@pytest.mark.parametrize("unit", ['"a" "b" {', "'\"", ': "', 'a"b ', '\\"', "[1,", '{"a" ', "```json\n{'a':\n"])
@pytest.mark.parametrize("size", [9_000, 60_000])
def test_no_more_is_mended_than_a_little(unit, size, mended, monkeypatch):
    # Mending takes too long for a test; what counts is how much of it is asked for.
    monkeypatch.setattr("hippograph.models.json_answers.repair_json", lambda text, **_: mended.append(len(text)))
    with pytest.raises(InvalidAnswerError):
        read_answer('{"names": [' + unit * (size // len(unit)) + "]}", Facts)
    assert sum(mended) <= 10_000
    assert size < 10_000 or not mended or unit.startswith("`")


def test_a_long_answer_is_mended_up_to_the_limit(mended):
    names = [f"name {number}" for number in range(800)]
    written = json.dumps({"names": names}).replace("]}", "],}")
    assert 9_000 < len(written) <= 10_000
    assert read_answer(written, Facts).names == names
    assert mended == [len(written)]
    longer = json.dumps({"names": [*names, *names]}).replace("]}", "],}")
    with pytest.raises(InvalidAnswerError, match=f"with {len(longer)} characters too long to be mended"):
        read_answer(longer, Facts)
    assert len(mended) == 1
    # What is right needs no mending.
    assert len(read_answer(longer.replace(",}", "}"), Facts).names) == 1_600


def test_blocks_and_text_are_mended_within_one_limit(mended):
    block = json.dumps({"other": ["x" * 4_000]}).replace("]}", "],}")
    with pytest.raises(InvalidAnswerError):
        read_answer(f"```json\n{block}\n```\n" * 5, Facts)
    assert mended == [len(block), len(block)]


def test_not_every_fence_is_tried(mended, monkeypatch):
    tried: list[str] = []
    monkeypatch.setattr(json_answers, "_parsed", tried.append)
    with pytest.raises(InvalidAnswerError):
        read_answer('```json\n{"a" "b",\n' * 5_000, Facts)
    assert len(tried) <= 51
    assert sum(mended) <= 10_000


def test_no_quote_is_looked_at_twice():
    # Strings and the rest are cut out of a text in one pass: what is matched never overlaps, and covers all from the
    # first quote on, so that no search begins again within it.
    text = '{"a": "b" ' + '\\"' * 1_000
    found = list(json_answers._STRING.finditer(text))
    assert [match.span() for match in found] == [(1, 4), (6, 9), (11, len(text))]


@pytest.mark.parametrize("number", ["9" * 5_000, "-" + "9" * 5_000, "9" * 1_200 + ".", "NaN", "-Infinity", "Infinity"])
@pytest.mark.parametrize("form", ['{{"{}": [{}], "triples": []}}', '{{"{}": ["a", {}],}}', '{{"{}": [{}'])
@pytest.mark.parametrize(("schema", "field"), [(Facts, "names"), (Things, "entities")])
def test_numbers_that_are_none_do_not_become_words(number, form, schema, field):
    with pytest.raises(InvalidAnswerError):
        read_answer(form.format(field, number), schema)


@pytest.mark.parametrize(
    "text",
    [
        '{"entities": ["Oslo"],} and {"entities": ["Bergen"],}',
        '{"entities": ["Oslo"], "entities": ["Bergen"],}',
        '{"entities": ["a", # Oslo "b"], }',
        '{"entities": [1,000],}',
        '{"entities": ["Oslo"],} That [is] all.',
    ],
)
def test_nothing_is_lost_in_mending(text):
    with pytest.raises(InvalidAnswerError):
        read_answer(text, Things)


@pytest.mark.parametrize("lossy", [{"entities": []}, {"entities": ["Oslo"]}, {"entities": ["Oslo", "Bergn"]}, "", []])
def test_whatever_a_mender_loses_is_noticed(lossy, monkeypatch):
    monkeypatch.setattr("hippograph.models.json_answers.repair_json", lambda text, **_: lossy)
    with pytest.raises(InvalidAnswerError, match="lost"):
        read_answer('{"entities": ["Oslo", "Bergen"],}', Things)


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        (r'{"entities": ["a\u00e9\n\tb \"c\" \\d \/"],}', ['aé\n\tb "c" \\d /']),
        (r'{"entities": ["\ud83d\ude00 \ud835\udc00 \ud83d", "😀"],}', ["😀 𝐀 ?", "😀"]),
        ('{"entities": ["a", # first\n "C#", "http://b", /* more */ "c"],}', ["a", "C#", "http://b", "c"]),
        ('{"entities": ["NaN", "Infinity", "' + "9" * 2_000 + '"],}', ["NaN", "Infinity", "9" * 2_000]),
        ("{'entities': ['Straße']}", ["Straße"]),
        ('{"entities": ["a"], "score": 0.50,}', ["a"]),
        ('{"entities": ["1.50 and 2e10"], "score": 12.5e3, "more": [True, False, null],}', ["1.50 and 2e10"]),
        ('{"entities": [{"a": "b"} {"c": "d"}]}', [{"a": "b"}, {"c": "d"}]),
    ],
)
def test_slips_are_mended_without_loss(text, entities):
    assert read_answer(text, Things).entities == entities


# Which escapes are meant where backslashes meet is anybody's guess, also the mender's.
words = st.text(
    alphabet=st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\\"), min_size=1, max_size=10
)


@given(st.lists(words, max_size=5), st.sampled_from([",}", "", "}"]), st.booleans())
def test_mended_answers_hold_what_was_written(names, end, escaped):
    written = json.dumps({"names": names}, ensure_ascii=escaped)[:-1] + end
    try:
        read = read_answer(written, Facts)
    except InvalidAnswerError:
        # A mender may not know what to make of it; then it is asked for again.
        return
    assert read.names == names
