"""The notebooks as stored and as they run: in a fresh kernel, top to bottom, without the network."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
FIRST_ANSWER = FOLDER / "01_first_answer.ipynb"

# The kernel is a process of its own, which pytest's guard of this one does not reach.
GUARD = """
import pytest_socket
pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
"""

PROBES = {
    FIRST_ANSWER: """
import json, os
print(json.dumps({
    "added": report.added,
    "gold": sorted(question.gold),
    "default": [hit.passage.id for hit in default.hits],
    "dense": [hit.passage.id for hit in dense.hits],
    "scores": [hit.score for hit in default.hits],
    "mass": mass[found].tolist(),
    "paths": [[label(node) for node in path] for path in paths],
    "recall": {name: measured.recall[5] for name, measured in evaluations.items()},
    "folder_left": os.path.exists(folder.name),
}))
"""
}


def stored(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def new_code_cell(source: str) -> Any:
    return nbformat.v4.new_code_cell(source)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell: Any, *, stream: str) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == stream)


@dataclass(frozen=True, kw_only=True)
class Executed:
    """A notebook after a run: its own code cells, what its variables were in the end, and where it ran."""

    cells: list[Any]
    values: dict[str, Any]
    working_directory: Path
    folder_before: list[Path]
    folder_after: list[Path]


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Executed:
    path: Path = request.param
    notebook = stored(path)
    own = code_cells(notebook)
    guard, probe = new_code_cell(GUARD), new_code_cell(PROBES.get(path, "print('{}')"))
    notebook.cells = [guard, *notebook.cells, probe]
    working_directory = tmp_path_factory.mktemp("notebook")
    before = sorted(FOLDER.rglob("*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        patch.delenv("MPLBACKEND", raising=False)
        patch.delenv("DISPLAY", raising=False)
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(working_directory)}}).execute()
    return Executed(
        cells=own,
        values=json.loads(texts(probe, stream="stdout")),
        working_directory=working_directory,
        folder_before=before,
        folder_after=sorted(FOLDER.rglob("*")),
    )


def test_there_are_notebooks():
    assert FIRST_ANSWER in NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_stored_without_traces_of_a_run(path: Path):
    notebook = stored(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert not [cell.id for cell in code_cells(notebook) if cell.outputs or cell.execution_count is not None]
    assert not [cell.id for cell in notebook.cells if cell.metadata]


@pytest.mark.local
def test_runs_from_top_to_bottom(executed: Executed):
    assert [cell.execution_count for cell in executed.cells] == list(range(2, len(executed.cells) + 2))
    assert [texts(cell, stream="stderr") for cell in executed.cells] == [""] * len(executed.cells)


@pytest.mark.local
def test_leaves_no_files(executed: Executed):
    assert executed.folder_after == executed.folder_before
    assert list(executed.working_directory.iterdir()) == []


@pytest.mark.local
@pytest.mark.parametrize("executed", [FIRST_ANSWER], ids=["01_first_answer"], indirect=True)
def test_the_first_answer_is_reached_over_a_bridge(executed: Executed):
    values = executed.values
    assert values["added"] == 72
    assert set(values["gold"]) <= set(values["default"])
    assert not set(values["gold"]) <= set(values["dense"])
    assert ["Snow on the Orrow", "Snow on the Orrow", "Ilja Krčmář", "Ilja Krčmář"] in values["paths"]
    assert values["recall"]["default"] > values["recall"]["dense"]
    assert not values["folder_left"]


@pytest.mark.local
@pytest.mark.parametrize("executed", [FIRST_ANSWER], ids=["01_first_answer"], indirect=True)
def test_the_drawn_walk_is_the_walk_that_ranked(executed: Executed):
    assert executed.values["mass"] == pytest.approx(executed.values["scores"], abs=1e-5)


@pytest.mark.local
@pytest.mark.parametrize("executed", [FIRST_ANSWER], ids=["01_first_answer"], indirect=True)
def test_the_first_answer_shows_three_pictures(executed: Executed):
    pictures = [cell.id for cell in executed.cells for output in cell.outputs if "image/png" in output.get("data", {})]
    assert pictures == ["draw", "degrees", "evaluate"]
