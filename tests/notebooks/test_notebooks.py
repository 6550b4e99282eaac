"""The notebooks run from top to bottom on the committed sample, and hold what their text says (each asserts it)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def _sources(path: Path, kind: str) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("nbclient", reason="nbclient is not installed (dependency group `notebooks`)")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (dependency group `notebooks`)")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed (dependency group `notebooks`)")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook: Any = nbformat.read(path, as_version=4)
    runner = client.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(FOLDER)}})
    runner.create_kernel_manager().kernel_spec.argv[0] = sys.executable
    runner.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", {}) for output in outputs)  # each has a plot
    assert not [output for output in outputs if output.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_says_what_it_asks_and_how_far_it_goes(path: Path) -> None:
    text = "\n".join(_sources(path, "markdown"))
    assert text.startswith("# ")
    for part in ("**Data.**", "**Method.**", "## Answer", "## Limits"):
        assert part in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_not_committed(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]


def test_the_sample_is_small_and_the_index_page_names_each_notebook() -> None:
    assert len(NOTEBOOKS) == 3
    assert sum(path.stat().st_size for path in (FOLDER / "data").iterdir()) < 1_000_000
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in NOTEBOOKS if f"({path.name})" not in page] == []
