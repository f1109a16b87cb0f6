import hashlib

import pytest

from hippograph.errors import ModelError
from hippograph.models.weights import digest_of, packaged_folder, usable_cpus, verify_digest


def test_digest_runs_over_all_files_in_order(tmp_path):
    (tmp_path / "a").write_bytes(b"12")
    (tmp_path / "b").write_bytes(b"3" * 3_000_000)
    assert digest_of([tmp_path / "a", tmp_path / "b"]) == hashlib.sha256(b"12" + b"3" * 3_000_000).hexdigest()
    assert digest_of([tmp_path / "b", tmp_path / "a"]) != digest_of([tmp_path / "a", tmp_path / "b"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match="gone"):
        digest_of([tmp_path / "gone"])


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
