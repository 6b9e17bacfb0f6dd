"""Several folders in one report: everything is set side by side, and nothing gets mixed up."""

from __future__ import annotations

import re
from pathlib import Path

import fake_run
import pandas as pd
import pytest
from click.testing import CliRunner
from test_analysis_report import Page

from analysis import load, report, together
from sim.cli.app import app


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    base = tmp_path_factory.mktemp("together")
    return [
        fake_run.write_run(base / "20250101-000000-aaaa", samples=60),
        fake_run.write_run(base / "20250101-000001-bbbb", samples=60, threshold=0.5, faulty=True, seed=8),
        fake_run.write_sweep(base / "sweep-cccc", cameras=3),
    ]


@pytest.fixture(scope="module")
def html(folders: list[Path]) -> str:
    return report.build(folders, folders[0].parent / "all.html").read_text(encoding="utf-8")


def test_everything_is_named_and_nothing_twice(folders: list[Path], html: str) -> None:
    page = Page()
    page.feed(html)
    assert len(page.ids) == len(set(page.ids))
    assert page.references <= set(page.ids)
    assert page.mute == []
    assert "<h1>2 runs and 1 sweep side by side</h1>" in html
    for name in ("six-cameras aaaa", "six-cameras bbbb", "sweep-cccc"):
        assert re.search(rf"<h2 id=\"h-folder-\d\">{name}</h2>", html)
    assert len(html.encode()) < 3_000_000


def test_figures_and_tables_lie_beside_it_and_are_the_same_again(
    folders: list[Path], html: str, tmp_path: Path
) -> None:
    beside = folders[0].parent
    assert (beside / "figures" / "together_accuracy_vs_bytes.png").read_bytes().startswith(b"\x89PNG")
    table = pd.read_csv(beside / "tables" / "side_by_side.csv").set_index("folder")
    runs = [load.run(folder) for folder in folders[:2]]
    found = table.accuracy[["six-cameras aaaa", "six-cameras bbbb"]].tolist()
    assert found == pytest.approx([run.number("accuracy.overall") for run in runs])
    assert report.build(folders, tmp_path / "again.html").read_text(encoding="utf-8") == html
    differences = pd.read_csv(beside / "tables" / "differences.csv").set_index("figure")
    assert float(differences["six-cameras bbbb ±"]["accuracy.overall"]) > 0


def test_the_verdict_is_about_the_best_and_the_cheapest(folders: list[Path]) -> None:
    page = report.page_of(*folders)
    best = max((tile.value, tile.label) for tile in page.tiles)[1]
    assert page.verdict.startswith(f"{best} is right most often: ")
    assert [one.what.partition(":")[0] for one in page.expectations[::2]] == ["six-cameras aaaa", "six-cameras bbbb"]


def test_a_folder_leads_to_its_own_report_where_there_is_one(folders: list[Path], tmp_path: Path) -> None:
    run = fake_run.write_run(tmp_path / "runs" / "one two", samples=9)
    report.build(run)
    page = report.build([run, folders[2]], tmp_path / "out" / "all.html").read_text(encoding="utf-8")
    assert page.count("The whole report") == 1
    assert 'href="../runs/one%20two/report.html"' in page


def test_what_runs_do_differently_is_listed(tmp_path: Path) -> None:
    folders = []
    for place, text in enumerate(
        ('{"exits": {"local": 0.8}, "faults": []}', '{"exits": {"local": 0.5}, "faults": []}')
    ):
        folder = fake_run.write_run(tmp_path / f"r-{place}", samples=9)
        (folder / "scenario.json").write_text(text)
        folders.append(folder)
    table = next(table for table in together.page(folders).tables if table.name == "settings_that_differ")
    assert table.frame.to_numpy().tolist() == [["exits.local", "0.8", "0.5"]]


def test_a_folder_named_twice_is_refused(folders: list[Path]) -> None:
    with pytest.raises(load.FolderError, match="named twice"):
        report.page_of(folders[0], folders[0])


def test_the_command_takes_several(folders: list[Path], tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["report", *map(str, folders), "-o", str(tmp_path / "all.html")])
    assert told.exit_code == 0, told.output
    assert (tmp_path / "all.html").exists()
    assert CliRunner().invoke(app, ["report", str(folders[0]), str(tmp_path / "nowhere")]).exit_code == 4
