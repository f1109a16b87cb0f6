import pytest

from hippograph.errors import MissingExtraError
from hippograph.extras import import_extra


def test_a_package_that_is_not_there_is_named_with_the_command_that_installs_it():
    with pytest.raises(MissingExtraError, match=r"nowhere_to_be_found is not .*pip install 'hippograph\[parquet\]'"):
        import_extra("nowhere_to_be_found", extra="parquet")


def test_a_package_that_lacks_its_own_requirement_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        import_extra("half_installed", extra="local")
