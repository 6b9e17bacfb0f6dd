"""The report of a sweep: Pareto front, failures and Shapley values against hand-made answers; size and speed."""

from __future__ import annotations

import json
import math
import re
from itertools import combinations, permutations
from pathlib import Path

import fake_run
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import load, report, sweep_report
from analysis.figures import failures, pairs, sweeps
from analysis.points import by_number_down, camera_values, points_of, short_names
from analysis.statistics import pareto, shapley, wilson


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_the_front_holds_exactly_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    kept = [points[i] for i in pareto([c for c, _ in points], [g for _, g in points])]
    unbeaten = {(c, g) for c, g in points if not any((oc <= c and og >= g) and (oc, og) != (c, g) for oc, og in points)}
    assert set(kept) == unbeaten
    assert kept == sorted(set(kept))


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_shapley_values_are_mean_contributions_over_all_orders(worths: list[float]) -> None:
    players = ("a", "b", "c")
    coalitions = [frozenset(c) for size in range(4) for c in combinations(players, size)]
    value = dict(zip(coalitions, worths, strict=True))
    expected = dict.fromkeys(players, 0.0)
    for order in permutations(players):
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            expected[player] += (value[before | {player}] - value[before]) / 6
    assert shapley(value, players) == pytest.approx(expected, abs=1e-12)


def test_shapley_refuses_a_gap() -> None:
    with pytest.raises(KeyError):
        shapley({frozenset(): 0.0, frozenset("a"): 1.0, frozenset("ab"): 1.0}, ("a", "b"))


def test_wilson_interval_against_published_values() -> None:
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert all(map(math.isnan, wilson(0.5, 0)))


def write_index(folder: Path, rows: list[dict[str, object]]) -> load.Sweep:
    folder.mkdir()
    pd.DataFrame(rows).to_parquet(folder / "index.parquet")
    return load.sweep(folder)


def row(down: str, accuracy: float, payload: float = 50.0, **more: object) -> dict[str, object]:
    figures = {"accuracy.overall": accuracy, "bytes.per_device_per_sample.payload": payload}
    return {"status": "complete", "down": down, "down_count": len([d for d in down.split("+") if d]), **figures, **more}


def test_failures_by_number_and_by_camera(tmp_path: Path) -> None:
    accuracies = {"": 0.9, "cam.0": 0.8, "cam.1": 0.5, "cam.0+cam.1": 0.0}
    points = points_of(write_index(tmp_path / "s", [row(down, a) for down, a in accuracies.items()]))
    one = load.records(by_number_down(points))[1]
    assert one == {
        "down": 1, "subsets": 2, "mean": pytest.approx(0.65),
        "worst": 0.5, "worst_subset": "cam.1", "best": 0.8, "best_subset": "cam.0",
    }  # fmt: skip
    values = camera_values(points)
    assert values.camera.tolist() == ["cam.1", "cam.0"]
    assert values.shapley.tolist() == pytest.approx([0.6, 0.3])  # they share out 0.9 - 0.0
    assert values.alone.tolist() == pytest.approx([0.4, 0.1])


@pytest.mark.parametrize(
    ("model", "varied", "said"),
    [
        ({"missing": "mask"}, {}, "Missing cameras: masked out, not retrained."),
        ({"missing": "zero"}, {}, "Missing cameras: taken as black images, not retrained."),
        ({"missing": "retrain"}, {}, "Missing cameras: left out by a network trained without them."),
        ({"missing": "mask", "training": {"recipe": "published"}}, {}, "taken as black images"),
        ({"missing": "mask"}, {"model.missing": "zero"}, "Missing cameras: as each setting says."),
    ],
)
def test_figures_of_failures_name_what_happens_to_missing_cameras(
    tmp_path: Path, model: dict[str, object], varied: dict[str, str], said: str
) -> None:
    rows = [row("", 0.9) | dict.fromkeys(varied, "mask"), row("cam.1", 0.8) | varied]
    folder = write_index(tmp_path / "sweep", rows).folder
    (folder / "scenario.json").write_text(json.dumps({"model": model}))
    (section,) = [one for one in report.page_of(folder).sections if one.key == "failures"]
    assert section.plots
    assert all(said in plot.reading for plot in section.plots)


def test_without_all_subsets_there_is_no_shapley_value(tmp_path: Path) -> None:
    points = points_of(write_index(tmp_path / "s", [row("", 0.9), row("cam.0", 0.8), row("cam.1", 0.5)]))
    values = camera_values(points)
    assert values.shapley.isna().all()
    assert values.alone.tolist() == pytest.approx([0.4, 0.1])
    assert failures.camera_worth(points) is not None


def test_replications_become_a_mean_with_students_interval(tmp_path: Path) -> None:
    rows = [
        {"seed": s, "mqtt.qos": q, "accuracy.overall": a}
        for q, values in ((0, (0.7, 0.8, 0.9)), (1, (0.5,)))
        for s, a in enumerate(values)
    ]
    sweep = write_index(tmp_path / "s", rows)  # type: ignore[arg-type]
    frame = points_of(sweep).frame.set_index("mqtt.qos")
    assert frame.accuracy.tolist() == pytest.approx([0.8, 0.5])
    assert frame.n.tolist() == [3, 1]
    assert frame.loc[0, "accuracy_half"] == pytest.approx(4.303 * 0.1 / math.sqrt(3), rel=1e-3)
    assert math.isnan(frame.loc[1, "accuracy_half"])  # type: ignore[arg-type]


def test_a_failure_does_not_get_onto_the_front(tmp_path: Path) -> None:
    rows = [row("", 0.9, 50, **{"thresholds.local": 0.8}), row("", 0.95, 90, **{"thresholds.local": 0.5})]
    rows += [row("cam.0", 0.99, 10, **{"thresholds.local": 0.8})]
    points = points_of(write_index(tmp_path / "s", rows))
    assert sweeps.front(points).payload.tolist() == [50, 90]


def test_varied_columns_are_told_from_results(tmp_path: Path) -> None:
    sweep = load.sweep(fake_run.write_sweep(tmp_path / "s", cameras=2))
    assert sweep.varied == ("exits.local",)
    assert points_of(sweep).settings == ("exits.local", "down")
    older = (
        {"thresholds.local": 0.8, "exits.local": 0.4, "a.b": "x"},
        {"thresholds.local": 0.5, "exits.local": 0.1, "a.b": "y"},
    )
    assert write_index(tmp_path / "older", [row("", 0.9) | one for one in older]).varied == ("thresholds.local", "a.b")


def test_what_the_sweep_recorded_of_itself_is_told(tmp_path: Path) -> None:
    folder = fake_run.write_sweep(tmp_path / "s", cameras=2)
    about = {"varied": ["down", "exits.local", "seed"], "argv": ["sweep", "a b.yaml"], "scenario": {"name": "street"}}
    (folder / "sweep.json").write_text(json.dumps(about))
    told = sweep_report.page(load.sweep(folder))
    assert points_of(load.sweep(folder)).settings == ("exits.local", "down")
    assert told.command == "fogfleet sweep 'a b.yaml'"
    assert told.title.startswith("street: ")


SETTINGS = [(8000.0, 0.5), (8000.0, 0.8), (24000.0, 0.5), (24000.0, 0.8)]


def test_two_settings_at_once_with_their_units(tmp_path: Path) -> None:
    link = "links.cam->gw.bandwidth"
    rows = [row("", 0.5 + 0.1 * i, 50, **{link: rate, "exits.local": t}) for i, (rate, t) in enumerate(SETTINGS)]
    folder = write_index(tmp_path / "s", rows).folder
    about = {"varied": [link, "exits.local"], "units": {link: "bit/s"}}
    (folder / "sweep.json").write_text(json.dumps(about))
    sweep = load.sweep(folder)
    points = points_of(sweep)
    assert "bandwidth cam → gw = 24\u202fkbit/s; T (local) = 0.5" in [
        points.told(one) for one in load.records(points.frame)
    ]
    drawn = pairs.pair_map(points)
    assert drawn is not None
    assert drawn.title == "Accuracy by bandwidth cam → gw and T (local)"
    texts = [text.get_text() for text in drawn.draw(True).figure.axes[0].texts]
    assert texts == ["50\u202f%", "60\u202f%", "70\u202f%", "80\u202f%"]


def test_cells_of_maps_tell_their_confidence(tmp_path: Path) -> None:
    rows = [row("", 0.7 + 0.1 * s, seed=s, **{"a.b": x, "c.d": y}) for s in range(3) for x in (1, 2) for y in (3, 4)]
    points = points_of(write_index(tmp_path / "pairs", rows))
    margin = " (±24.8\u202fpoints)"
    assert points.margins("a.b", "c.d") == dict.fromkeys([(1.0, 3.0), (1.0, 4.0), (2.0, 3.0), (2.0, 4.0)], margin)
    assert points.margins("a.b") == {}, "a mean over other settings has no such interval"
    drawn = pairs.pair_map(points)
    assert drawn is not None
    assert [text.endswith(margin) for texts in drawn.draw(True).hovers.values() for text in texts] == [True] * 4
    down = [row(name, 0.7 + 0.1 * s, seed=s, **{"a.b": x}) for s in range(3) for x in (1, 2) for name in ("", "cam.0")]
    heat = failures.heat_map(points_of(write_index(tmp_path / "failures", down)))
    assert heat is not None
    assert [text.endswith(margin) for texts in heat.draw(True).hovers.values() for text in texts] == [True] * 4


def test_that_all_cameras_are_down_does_not_flatten_the_map(tmp_path: Path) -> None:
    accuracies = {"": 0.9, "cam.0": 0.8, "cam.1": 0.6, "cam.0+cam.1": 0.0}
    points = points_of(write_index(tmp_path / "s", [row(down, a) for down, a in accuracies.items()]))
    drawn = failures.heat_map(points)
    assert drawn is not None
    cells = drawn.draw(True).figure.axes[1].patches
    assert [cell.get_alpha() for cell in cells] == pytest.approx([0.96, 0.66, 0.06, 0.06])


def test_the_front_tells_its_bytes_beside_eq_1_and_raw(tmp_path: Path) -> None:
    per = "bytes.per_device_per_sample"
    parts = {
        f"{per}.{name}": value for name, value in (("eq1", 50.0), ("raw", 3000.0), ("header", 30.0), ("mqtt", 70.0))
    }
    sweep = write_index(tmp_path / "s", [row("", 0.9, 50.0, **parts), row("cam.0", 0.8, 60.0, **parts)])
    (table,) = [one for one in sweep_report.page(sweep).tables if one.name == "bytes_by_setting"]
    assert table.frame[["eq1", "total", "payload_less", "less"]].to_numpy().tolist() == [[50.0, 150.0, 60.0, 20.0]]


def test_names_are_shortened_within_a_group() -> None:
    assert [short_names(d) for d in ("", "cam.1", "cam.1+cam.3", "cam.0+gw")] == [
        "none",
        "cam.1",
        "cam.1, 3",
        "cam.0, gw",
    ]


def test_the_ready_made_sweep_fits_its_bounds(tmp_path: Path) -> None:
    folder = fake_run.write_sweep(tmp_path / "s", thresholds=(0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0))
    page = report.build(folder).read_text()
    assert len(page.encode()) < 3_000_000
    assert page.count("<title>down: ") > 512, "every cell of the map tells its figure"
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", page)
    for name in ("sweep_accuracy_vs_bytes", "failures_heat_map", "failures_by_number", "camera_worth"):
        assert (folder / "figures" / f"{name}.png").exists()
    assert len(pd.read_csv(folder / "tables" / "settings.csv")) == 512
    assert report.build(folder, tmp_path / "again.html").read_text() == page


def test_a_hundred_thousand_points_fit_their_bounds(tmp_path: Path) -> None:
    thresholds = tuple(np.linspace(0, 1, 500).tolist())
    folder = fake_run.write_sweep(tmp_path / "s", cameras=4, thresholds=thresholds, points=100_000)
    assert report.build(folder).stat().st_size < 10_000_000


def test_unfinished_points_are_named(tmp_path: Path) -> None:
    folder = fake_run.write_sweep(tmp_path / "s", cameras=2)
    index = pd.read_parquet(folder / "index.parquet")
    index.loc[3, "status"] = "failed"
    index["reason"] = index.status.map({"failed": "broker went away"})
    index.to_parquet(folder / "index.parquet")
    page = report.page_of(folder).html()
    assert "1 of 16 points have no result" in page
    assert "broker went away" in page


@pytest.mark.parametrize("rows", [[], [{"status": "failed", "a": 1}], [{"accuracy.overall": 0.5}]], ids=str)
def test_sweeps_with_next_to_nothing_are_reported(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    write_index(tmp_path / "s", rows)
    assert "<h1>" in report.page_of(tmp_path / "s").html()


def test_what_is_no_sweep_folder_is_refused(tmp_path: Path) -> None:
    folder = fake_run.write_run(tmp_path / "run", samples=3)
    with pytest.raises(load.FolderError, match="it is a run folder"):
        load.sweep(folder)
