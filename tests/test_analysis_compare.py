"""Runs side by side: differences against the first, with a confidence interval where samples are shared."""

from __future__ import annotations

import json
import math
from io import StringIO
from pathlib import Path

import fake_run
import pandas as pd
import pytest

from analysis import load
from analysis.compare import compare, paired_half_widths, render


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    base = tmp_path_factory.mktemp("runs")
    return [
        fake_run.write_run(base / "a", samples=60),
        fake_run.write_run(base / "b", samples=60, threshold=0.5, seed=8),
        fake_run.write_run(base / "more" / "a", samples=60, faulty=True, seed=9),
    ]


def test_differences_are_against_the_first(folders: list[Path]) -> None:
    frame = compare(folders[:2]).set_index("figure")
    first, second = (load.run(folder).number("accuracy.overall") for folder in folders[:2])
    row = frame.loc["accuracy.overall"]
    assert (row["a"], row["b"], row["b - a"]) == (first, second, second - first)
    assert frame.loc["bytes.per_device_per_sample.raw", "b - a"] == 0
    assert not [name for name in frame.index if name.startswith(("curve", "topology", "schema", "seed"))]


def test_confidence_is_that_of_the_paired_difference(folders: list[Path]) -> None:
    runs = [load.run(folder) for folder in folders[:2]]
    right = [(r.decisions.predicted == r.decisions.label).fillna(False).astype(float) for r in runs]
    expected = 1.959964 * (right[1] - right[0]).std() / math.sqrt(60)
    assert paired_half_widths(*runs)["accuracy.overall"] == pytest.approx(expected, rel=1e-6)
    frame = compare(folders[:2]).set_index("figure")
    assert frame.loc["accuracy.overall", "b ±"] == pytest.approx(expected, rel=1e-6)
    assert math.isnan(frame.loc["accuracy.decided", "b ±"])  # type: ignore[arg-type]


def test_shares_and_latency_have_their_confidence_too(folders: list[Path]) -> None:
    tables = [load.run(folder).decisions for folder in folders[:2]]
    local = [(table.exit == "local").astype(float) for table in tables]
    took = [(table.decided_s - table.captured_s).astype(float) for table in tables]
    widths = paired_half_widths(*(load.run(folder) for folder in folders[:2]))
    for figure, (first, other) in {"exits.local": local, "latency_s.all.mean": took}.items():
        assert widths[figure] == pytest.approx(1.959964 * (other - first).std() / math.sqrt(60), rel=1e-6)
    frame = compare(folders[:2]).set_index("figure")
    assert frame.loc["exits.local", "b ±"] == widths["exits.local"]


def test_runs_without_a_common_sample_have_no_confidence(tmp_path: Path, folders: list[Path]) -> None:
    other = fake_run.write_run(tmp_path / "other", samples=5)
    decisions = pd.read_parquet(other / "decisions.parquet")
    decisions.assign(sample=decisions["sample"] + 1000).to_parquet(other / "decisions.parquet")
    assert all(map(math.isnan, paired_half_widths(load.run(folders[0]), load.run(other)).values()))


def test_folders_of_one_name_are_told_apart(folders: list[Path]) -> None:
    columns = list(compare(folders))
    assert len(set(columns)) == len(columns)
    assert columns[3] == "more/a"
    assert len(set(compare([folders[0], folders[0]]))) == 5


@pytest.mark.parametrize("form", ["table", "md", "json", "csv"])
def test_every_format_holds_every_figure(folders: list[Path], form: str) -> None:
    frame = compare(folders)
    text = render(frame, form)
    assert text.endswith("\n")
    assert all(figure in text for figure in frame.figure)
    if form == "json":
        rows = json.loads(text)
        assert rows[0]["figure"] == frame.figure[0]
        assert None in rows[0].values()
    if form == "csv":
        pd.testing.assert_frame_equal(pd.read_csv(StringIO(text)), frame, check_dtype=False)
    if form == "md":
        assert {line.count("|") for line in text.splitlines()} == {len(frame.columns) + 1}


def test_what_cannot_be_compared_is_refused(folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(load.FolderError, match="two run folders"):
        compare(folders[:1])
    with pytest.raises(load.FolderError, match="no such folder"):
        compare([folders[0], tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="table, md, json, csv"):
        render(compare(folders[:2]), "xml")
