"""Every notebook of the documents runs from its first cell to its last, and comes without outputs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
pytestmark = pytest.mark.system


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="NOTEBOOKS NOT RUN: install the test tools (nbformat)")
    client = pytest.importorskip("nbclient", reason="NOTEBOOKS NOT RUN: install the test tools (nbclient)")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # what the notebook makes goes with the test
    book = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in book.cells), f"{path.name}: clear the outputs before committing"
    client.NotebookClient(book, timeout=100, resources={"metadata": {"path": str(ROOT)}}).execute()
    if path.stem == "one-failure":
        told = "".join(o.get("text", "") for cell in book.cells for o in cell.get("outputs", ()))
        assert int(re.search(r"the unseen fleet broke down (\d+) times", told)[1]) > 20  # type: ignore[index]
        acted, lives = map(int, re.search(r"acted in time in (\d+) of (\d+) lives", told).groups())  # type: ignore[union-attr]
        assert acted / lives > 0.8
        worn = re.search(r"env_bpfo +\S+ +([\d.]+) +([\d.]+)", told)
        assert worn is not None
        assert float(worn[2]) > 5 * float(worn[1])
        assert int(re.search(r"saved: (-?\d+)%", told)[1]) > 20  # type: ignore[index]


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS
