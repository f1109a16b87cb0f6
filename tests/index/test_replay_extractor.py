import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hippograph.errors import InputError
from hippograph.hippograph import HippoGraph
from hippograph.index.replay_extractor import ReplayExtractor
from hippograph.testing.contracts import check_extractor
from hippograph.testing.doubles import CapitalsExtractor, HashingEmbedder
from hippograph.types import Extraction, Passage, Triple
from tests.conftest import small_passages

FRAM = Passage(id="fram", document="fram", title="Fram (ship)", text="Fram was built by Colin Archer in Larvik.")
FOUND = Extraction(status="done", entities=("Fram", "Larvik"), triples=(Triple("Fram", "built in", "Larvik"),))
ENTITIES, TRIPLES = ["Fram", "Larvik"], [["Fram", "built in", "Larvik"]]
OURS = {"entities": ENTITIES, "triples": TRIPLES}
THEIRS = {"extracted_entities": ENTITIES, "extracted_triples": TRIPLES}


def extractor(path: Path, content: object) -> ReplayExtractor:
    file = path / "openie.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return ReplayExtractor(path=file)


def replay(path: Path, content: object, passage: Passage = FRAM) -> Extraction:
    [(back, found)] = extractor(path, content).extract(iter([passage]))
    assert back is passage
    return found


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    "content",
    [
        [{"idx": "fram", **OURS, "n_dropped_malformed_triples": 0}],
        [{"id": "fram", **OURS}],
        [{"title": FRAM.title, "text": FRAM.text, **OURS}],
        [{"text": FRAM.text, **OURS}],
        [{"title": FRAM.title, "text": FRAM.text.replace(" ", " \n ") + "\n", "idx": 7, **OURS}],
        {"docs": [{"idx": "chunk-0", "passage": FRAM.headed_text, **THEIRS}], "avg_ent_chars": 5.0},
        {"docs": [{"idx": "chunk-0", "passage": f"{FRAM.text}\r\n", **THEIRS}]},
        {"docs": [{"idx": f"chunk-{md5(FRAM.headed_text)}", **THEIRS}]},
        {"docs": [{"idx": f"chunk-{md5(FRAM.text)}", **THEIRS}]},
    ],
)
def test_each_way_to_say_what_an_extraction_is_about(tmp_path, content):
    assert replay(tmp_path, content) == FOUND


def test_numbers_are_ids_too(tmp_path):
    passage = Passage(id="7", document="7", text="Fram was built in Larvik.")
    assert replay(tmp_path, [{"idx": 7, **OURS}], passage) == FOUND


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"docs": []},
        [{"idx": "gjoa", **OURS}],
        [{"idx": "fram", "text": "Another text.", **OURS}],  # where there is a text, an id alone proves nothing
        [{"text": FRAM.text, "title": "Another title", **OURS}],
    ],
)
def test_what_the_file_lacks_has_failed(tmp_path, content):
    found = replay(tmp_path, content)
    assert (found.status, found.entities) == ("failed", ())
    assert "openie.json has no extraction for this passage; add it to the file" in found.error


def test_the_parts_of_a_document_are_not_given_what_is_said_of_the_whole(tmp_path):
    part = Passage(id="fram#1", document="fram", text="Nansen sailed it north.")
    assert replay(tmp_path, [{"idx": "fram", **OURS}], part).status == "failed"
    assert replay(tmp_path, [{"idx": "fram#1", **OURS}], part) == FOUND


def test_what_is_not_made_of_texts_is_left_out_and_counted(tmp_path, caplog):
    malformed = [
        ["Fram", "built in"],
        ["a", "b", "c", "d"],
        ["a", "b", 3],
        ["a", " ", "c"],
        "a b c",
        None,
        ["a", ["b"], "c"],
    ]
    content = [{"idx": "fram", "entities": ["Fram", 3, "", "\ud800", None, "Larvik"], "triples": malformed + TRIPLES}]
    assert replay(tmp_path, content) == FOUND
    assert "11 names and triples that are not made of texts were left out" in caplog.text
    assert replay(tmp_path, [{"idx": "fram", "entities": [0], "triples": []}]) == Extraction(status="empty")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda part: (
            st.lists(part, max_size=4)
            | st.dictionaries(st.sampled_from(["docs", "idx", "entities", "triples", "text", "passage"]), part)
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused(tmp_path_factory, content):
    try:
        found = replay(tmp_path_factory.mktemp("any"), content)
    except InputError:
        return
    assert (found.status == "done") == bool(found.entities or found.triples)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, r"cannot be read \(No such file"),
        (b"", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"idx": 0}', "holds no list of extractions"),
        (b"[3]", r"entry 0 of .*openie.json is 3, not an object"),
        (
            b'[{"idx": 0, "entities": [], "triples": []}, {"idx": 1, "entities": {}}]',
            "entry 1 of .* no list of entities",
        ),
        (b'[{"idx": 0, "entities": []}]', "no list of triples, but null"),
        (b'[{"entities": [], "triples": []}]', "idx is null"),
        (b'[{"idx": [1], "entities": [], "triples": []}]', r"idx is \[1\]"),
        (
            b'[{"idx": 0, "entities": [], "triples": []}, {"idx": "0", "entities": ["Oslo"], "triples": []}]',
            "entry 1 of .* has the same idx '0' as one before it",
        ),
    ],
)
def test_broken_files_are_refused_with_the_place(tmp_path, content, complaint):
    file = tmp_path / "openie.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        list(ReplayExtractor(path=file).extract([FRAM]))
    with pytest.raises(InputError, match=complaint):
        _ = ReplayExtractor(path=file).fingerprint


def test_the_contents_name_it_and_not_the_place(tmp_path):
    (tmp_path / "other").mkdir()
    one, two = extractor(tmp_path, [{"idx": 0, **OURS}]), extractor(tmp_path / "other", [{"idx": 0, **OURS}])
    assert one.fingerprint == two.fingerprint
    assert one.fingerprint.startswith("replay:")
    assert extractor(tmp_path, [{"idx": 1, **OURS}]).fingerprint != one.fingerprint


def test_it_keeps_the_contract(tmp_path):
    texts = ("Oslo", "Marie Curie was born in Warsaw.", "")
    check_extractor(extractor(tmp_path, [{"text": text, **OURS} for text in texts] + [{"idx": "u3", **OURS}]))


def test_replaying_gives_the_same_graph(small, tmp_path):
    found = {passage.headed_text: made for passage, made in CapitalsExtractor().extract(small_passages())}
    docs = [
        {"idx": "", "passage": text, "extracted_entities": made.entities, "extracted_triples": made.triples}
        for text, made in found.items()
    ]
    replayed = extractor(tmp_path, {"docs": docs})
    with HippoGraph(tmp_path / "replayed.hippo", extractor=replayed, embedder=HashingEmbedder()) as other:
        other.index(small_passages())
        assert other.status()["graph_digest"] == small.status()["graph_digest"]
