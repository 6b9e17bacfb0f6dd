"""The notebook starts from `analysis.load`, runs as it is shipped, and ends in a figure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
import world_kit
from nbclient import NotebookClient

from sim import world

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def shipped() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


def test_it_is_shipped_without_results() -> None:
    cells = [cell for cell in shipped().cells if cell.cell_type == "code"]
    assert "from analysis import load" in cells[0].source
    assert not any(cell.outputs or cell.execution_count for cell in cells)


def test_it_runs_to_its_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = world.simulate(world_kit.small(), mode="virtual", out=tmp_path).folder
    monkeypatch.setenv("FOGFLEET_RUN", str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    notebook = shipped()
    with monkeypatch.context() as here:
        here.chdir(tmp_path)
        NotebookClient(notebook, timeout=600, startup_timeout=300, kernel_name="python3").execute()
    last = notebook.cells[-1]
    assert [output.output_type for output in last.outputs] == ["display_data"]
    assert "image/png" in last.outputs[0].data
