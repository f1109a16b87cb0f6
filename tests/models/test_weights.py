import hashlib

import pytest

from hippograph.errors import ModelError
from hippograph.models.weights import digest_of, packaged_folder, sampled_digest, usable_cpus, verify_digest


def test_digest_runs_over_all_files_in_order(tmp_path):
    (tmp_path / "a").write_bytes(b"12")
    (tmp_path / "b").write_bytes(b"3" * 3_000_000)
    assert digest_of([tmp_path / "a", tmp_path / "b"]) == hashlib.sha256(b"12" + b"3" * 3_000_000).hexdigest()
    assert digest_of([tmp_path / "b", tmp_path / "a"]) != digest_of([tmp_path / "a", tmp_path / "b"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match="gone"):
        digest_of([tmp_path / "gone"])


def test_sampling_reads_all_of_a_small_file_and_tells_trainings_of_a_large_one_apart(tmp_path):
    small, large, tuned, longer = (tmp_path / name for name in ("small", "large", "tuned", "longer"))
    small.write_bytes(b"1" * 1_000)
    first = sampled_digest([small])
    small.write_bytes(b"1" * 999 + b"2")
    assert sampled_digest([small]) != first
    weights = bytes(range(256)) * 20_000
    large.write_bytes(weights)
    tuned.write_bytes(weights[:2_000_000] + bytes(200_000) + weights[2_200_000:])
    longer.write_bytes(weights + b"\0")
    assert len({sampled_digest([file]) for file in (large, tuned, longer)}) == 3
    assert sampled_digest([large]) == sampled_digest([large])
    with pytest.raises(ModelError, match="gone"):
        sampled_digest([tmp_path / "gone"])


def test_altered_weights_are_refused():
    with pytest.raises(ModelError, match="the model was altered: its SHA-256 is aa, not bb; reinstall it"):
        verify_digest("aa", expected="bb", what="the model", remedy="reinstall it")


def test_a_folder_is_found_without_running_the_package(tmp_path, monkeypatch):
    (tmp_path / "explosive" / "data").mkdir(parents=True)
    (tmp_path / "explosive" / "__init__.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert packaged_folder("explosive", "data") == tmp_path / "explosive" / "data"
    assert packaged_folder("explosive", "other") is None


def test_processors_without_affinity(monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    assert usable_cpus() == 5
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert usable_cpus() == 1
