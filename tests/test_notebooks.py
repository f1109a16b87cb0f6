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
INSIDE_THE_GRAPH = FOLDER / "02_inside_the_graph.ipynb"
READING_IN_STEPS = FOLDER / "03_reading_in_steps.ipynb"

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
""",
    INSIDE_THE_GRAPH: """
import json, os
print(json.dumps({
    "gold": list(question.gold),
    "by_vector": by_vector,
    "before": before,
    "columns": columns,
    "scores": [hit.score for hit in best],
    "taken_apart": [float(sum(part[row] for part in parts.values())) for row in rows],
    "started": [float(after[0, row] / mass[row]) for row in rows],
    "best": [hit.passage.id for hit in best],
    "stages": stages,
    "final": [[hit.passage.id, hit.score] for hit in ranking.hits],
    "ranks": {id: [rank_of(mass, node) for mass in walks] for id, node in gold.items()},
    "dense": dense,
    "worth": worth.tolist(),
    "given": {label: (part / total).tolist() for label, part in by_label.items()},
    "explained": [[hit.passage.id, hit.score] for hit in explanation.hits],
    "ways": [[path.passage, said(path)] for path in explanation.paths],
    "river": river.remarks,
    "folder_left": os.path.exists(folder.name),
}))
""",
    READING_IN_STEPS: """
import json, os
def told(answer):
    return {
        "text": answer.text,
        "outcome": answer.outcome,
        "calls": answer.usage.calls + answer.usage.reused,
        "cited": [passage.id for passage in answer.citations],
        "kinds": [step.kind for step in answer.steps],
        "remarks": [step.remark for step in answer.steps if step.remark],
    }
print(json.dumps({
    "gold": list(question.gold),
    "answers": list(question.answers),
    "answered": {name: told(one) for name, one in {"single": single, "notes": notes, "memory": memory}.items()},
    "notes": [[step.note_before, step.note_after] for _, step in written],
    "pool": [[node.kind, list(node.sources)] for node in pool],
    "growth": [sum(counts.values()) for counts in growth],
    "gathered": gathered,
    "stopped": told(stopped),
    "budgets": {name: {calls: told(one) for calls, one in answers.items()} for name, answers in budgets.items()},
    "repeated": [calls_made, streamed.usage.calls, without_costs(streamed) == without_costs(notes)],
    "found": {name: one.total.means["evidence", "recall"] for name, one in measured.items()},
    "right": {name: one.total.means["exact_match", "squad"] for name, one in measured.items()},
    "calls": {name: one.total.spreads["calls"].mean for name, one in measured.items()},
    "folder_left": os.path.exists(folder.name),
}))
""",
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


of_the_first = pytest.mark.parametrize("executed", [FIRST_ANSWER], ids=["01_first_answer"], indirect=True)
of_the_second = pytest.mark.parametrize("executed", [INSIDE_THE_GRAPH], ids=["02_inside_the_graph"], indirect=True)
of_the_third = pytest.mark.parametrize("executed", [READING_IN_STEPS], ids=["03_reading_in_steps"], indirect=True)


def pictures(executed: Executed) -> list[str]:
    return [cell.id for cell in executed.cells for output in cell.outputs if "image/png" in output.get("data", {})]


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
    assert {FIRST_ANSWER, INSIDE_THE_GRAPH, READING_IN_STEPS} <= set(NOTEBOOKS)


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
@of_the_first
def test_the_first_answer_is_reached_over_a_bridge(executed: Executed):
    values = executed.values
    assert values["added"] == 72
    assert set(values["gold"]) <= set(values["default"])
    assert not set(values["gold"]) <= set(values["dense"])
    assert ["Snow on the Orrow", "Snow on the Orrow", "Ilja Krčmář", "Ilja Krčmář"] in values["paths"]
    assert values["recall"]["default"] > values["recall"]["dense"]
    assert not values["folder_left"]


@pytest.mark.local
@of_the_first
def test_the_drawn_walk_is_the_walk_that_ranked(executed: Executed):
    assert executed.values["mass"] == pytest.approx(executed.values["scores"], abs=1e-4)


@pytest.mark.local
@of_the_first
def test_the_first_answer_shows_three_pictures(executed: Executed):
    assert pictures(executed) == ["draw", "degrees", "evaluate"]


@pytest.mark.local
@of_the_second
def test_the_directors_are_found_by_walking(executed: Executed):
    values = executed.values
    directors = {"etienne-dargaud", "maren-solvik"}
    assert directors <= set(values["gold"]) <= set(values["best"])
    assert all(values["before"][id] < values["by_vector"][id] for id in directors)
    assert all(start < 0.2 for id, start in zip(values["best"], values["started"], strict=True) if id in directors)


@pytest.mark.local
@of_the_second
def test_the_steps_of_the_walk_add_up_to_the_scores(executed: Executed):
    assert executed.values["taken_apart"] == pytest.approx(executed.values["scores"], abs=1e-4)


@pytest.mark.local
@of_the_second
def test_with_little_damping_and_likeness_alone_the_walk_is_retrieval_by_vectors(executed: Executed):
    values = executed.values
    assert values["worth"][-1][0] == pytest.approx(values["dense"], abs=0.03)
    assert max(map(max, values["worth"])) > values["dense"] + 0.1
    far = values["ranks"]["etienne-dargaud"]
    assert far[0] > 10 > min(far)


@pytest.mark.local
@of_the_second
def test_a_cut_bridge_is_missed(executed: Executed):
    whole, *cut = executed.values["columns"].values()
    for found, film, director in zip(
        cut, ("nine-bells", "glass-orchard"), ("maren-solvik", "etienne-dargaud"), strict=True
    ):
        assert film not in found
        assert found[director] > whole[director]
    assert not executed.values["folder_left"]


@pytest.mark.local
@of_the_second
def test_the_inside_is_shown_in_pictures(executed: Executed):
    assert pictures(executed) == ["seeds", "travelled", "damping", "map", "second", "given"]
    (drawn,) = [cell for cell in executed.cells if cell.id == "explain"]
    assert drawn.outputs[0].data["image/svg+xml"].startswith("<svg")


@pytest.mark.local
@of_the_second
def test_what_is_explained_is_what_was_walked(executed: Executed):
    values = executed.values
    ids, scores = zip(*values["explained"], strict=True)
    assert [list(pair) for pair in zip(ids, scores, strict=True)] == values["final"][: len(ids)]
    assert [id for id, _ in values["final"]] == values["stages"]["second look"]
    for director, film in (("etienne-dargaud", "The Glass Orchard"), ("maren-solvik", "Nine Bells")):
        place = ids.index(director)
        assert max(values["given"], key=lambda label: values["given"][label][place]) == film
        assert any(found == director and way.startswith(film) for found, way in values["ways"])
    assert values["river"]


@pytest.mark.local
@of_the_third
def test_loops_find_what_one_look_does_not(executed: Executed):
    values = executed.values
    single, notes, memory = (values["answered"][name] for name in ("single", "notes", "memory"))
    assert single["outcome"] == "not enough evidence"
    assert set(single["cited"]) < set(values["gold"])
    for answer in (notes, memory):
        assert (answer["outcome"], answer["remarks"]) == ("answered", [])
        assert answer["text"] in values["answers"]
        assert set(answer["cited"]) == set(values["gold"])
    assert notes["calls"] == notes["kinds"].count("note") == len(values["notes"]) > 1
    assert memory["calls"] == memory["kinds"].count("cue") + memory["kinds"].count("attempt")
    assert not values["folder_left"]


@pytest.mark.local
@of_the_third
def test_notes_and_the_pool_only_grow(executed: Executed):
    values = executed.values
    for (before, after), former in zip(values["notes"], ["", *(note for _, note in values["notes"])], strict=False):
        assert before == former
        assert after.startswith(before)
        assert len(after) > len(before)
    for counted in (values["growth"], values["gathered"]):
        assert counted == sorted(counted)
    assert values["growth"][-1] == len(values["pool"])
    assert values["gathered"][0] < values["gathered"][-1] == len(values["gold"])


@pytest.mark.local
@of_the_third
def test_memories_of_all_kinds_are_drawn_with_what_they_rest_on(executed: Executed):
    pool = executed.values["pool"]
    assert {kind for kind, _ in pool} == {"veridical", "semantic", "episodic", "fusion"}
    assert all(bool(sources) == (kind in {"veridical", "fusion"}) for kind, sources in pool)
    assert pool[-1][0] == "fusion"
    assert set(pool[-1][1]) == set(executed.values["gold"])
    assert pictures(executed) == ["pool", "sources"]


@pytest.mark.local
@of_the_third
def test_a_reading_that_is_stopped_or_out_of_budget_has_an_answer(executed: Executed):
    values = executed.values
    stopped = values["stopped"]
    assert stopped["outcome"] == "stopped"
    assert stopped["text"]
    assert set(stopped["cited"]) < set(values["gold"])
    for name, answers in values["budgets"].items():
        cited = [len(answer["cited"]) for answer in answers.values()]
        assert cited == sorted(cited)
        assert all(answer["text"] and answer["calls"] <= int(calls) for calls, answer in answers.items())
        *others, last = answers.values()
        assert {answer["outcome"] for answer in others} == {"budget"}
        assert last == values["answered"][name]


@pytest.mark.local
@of_the_third
def test_a_reading_is_replayed_without_a_call_and_readers_are_compared(executed: Executed):
    values = executed.values
    assert values["repeated"] == [0, 0, True]
    loops = ("ircot", "notes", "memory", "amber")
    assert {name: (values["found"][name], values["right"][name]) for name in loops} == dict.fromkeys(loops, (1.0, 1.0))
    assert values["found"]["single, 3 passages"] < 0.6
    assert values["calls"]["single, 3 passages"] == 1 < min(values["calls"][name] for name in loops)
