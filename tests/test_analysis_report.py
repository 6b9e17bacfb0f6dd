"""The report of a run: right figures, one self-contained file, the same bytes every time, and calm in odd cases."""

from __future__ import annotations

import html as html_module
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import fake_run
import numpy as np
import pandas as pd
import pytest

from analysis import load, plots, report, run_report
from analysis.figures import timing, traffic


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_run.write_run(tmp_path_factory.mktemp("run") / "faulty", faulty=True)


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return report.build(folder).read_text(encoding="utf-8")


def edit_summary(folder: Path, **changes: object) -> None:
    path = folder / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_verdict_says_accuracy_bytes_and_how_much_less(folder: Path) -> None:
    run = load.run(folder)
    accuracy = run.summary["accuracy"]["overall"]
    verdict = run_report.verdict(run)
    assert verdict.startswith(f"{100 * accuracy:.1f}\u202f% of 171 samples right with ")
    assert "times less than sending raw images" in verdict
    assert "left at the gateway" in verdict
    assert verdict.endswith("dropped.")


def test_html_refers_to_nothing_outside_itself(html: str) -> None:
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", html)
    assert "url(http" not in html
    assert "@import" not in html
    assert len(html.encode()) < 1_000_000


class Page(HTMLParser):
    """Collects ids, what refers to them, and figures without a text for those who do not see."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: set[str] = set()
        self.mute: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        self.references |= {value[1:] for name, value in given.items() if name == "href" and value.startswith("#")}
        self.references |= set(re.findall(r"url\(#([^)]+)\)", " ".join(given.values())))
        if tag == "svg" and not (given.get("role") == "img" and given.get("aria-label")):
            self.mute.append(tag)


def test_every_id_is_unique_and_every_reference_resolves(html: str) -> None:
    page = Page()
    page.feed(html)
    assert len(page.ids) == len(set(page.ids))
    assert page.references <= set(page.ids)
    assert page.mute == []


def test_figures_inside_the_page_follow_the_colour_scheme(html: str) -> None:
    figures = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.S))
    assert "var(--ink)" in figures
    assert not re.search(r"#[0-9a-f]{6}\b", figures), "a colour of no name would not follow dark mode"


def test_figures_and_tables_lie_beside(folder: Path, html: str) -> None:
    for name in ("accuracy_vs_bytes", "bytes_by_link", "exits", "latency", "topology", "confusion", "faults", "energy"):
        assert (folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / "figures" / f"{name}.svg").read_text().startswith("<svg")
    curve = pd.read_csv(folder / "tables" / "threshold_curve.csv")
    assert list(curve.payload_bytes) == [row["payload_bytes"] for row in load.run(folder).summary["curve"]]
    assert not list(folder.rglob("*.partial"))


def test_the_timeline_has_a_line_a_fault_and_target_under_accuracy_and_bytes(folder: Path, html: str) -> None:
    drawn = html_module.unescape((folder / "figures" / "faults.svg").read_text())
    for text in (
        "right, by time of capture",
        "bytes a second",
        "crash \u00b7 cam.3",
        "jam \u00b7 cam\u202f\u2192\u202fgw",
    ):
        assert text in drawn, text


def test_a_timeline_of_very_many_faults_shows_every_kind() -> None:
    rows = pd.DataFrame(
        {"kind": [f"kind-{n % 30}" for n in range(90)], "target": [f"site-0/cam.{n}" for n in range(90)]}
    )
    lanes = timing._lanes(rows)
    assert len(lanes) == timing.MOST_LANES and "others" in lanes
    assert sum(len(part) for part in lanes.values()) == 90
    few = rows.head(3)
    assert list(timing._lanes(few)) == ["kind-0 \u00b7 cam.0", "kind-1 \u00b7 cam.1", "kind-2 \u00b7 cam.2"]


def test_times_under_fault_are_joined_where_they_overlap() -> None:
    rows = pd.DataFrame({"start_s": [5.0, 1.0, 2.0, 30.0, 8.0], "end_s": [6.0, 3.0, 4.0, np.nan, 8.0]})
    assert timing._spans(rows, 40.0) == [(1.0, 4.0), (5.0, 6.0), (30.0, 40.0)]


def test_same_folder_same_bytes(folder: Path, html: str, tmp_path: Path) -> None:
    again = report.build(folder, tmp_path / "other.html")
    assert again.read_text(encoding="utf-8") == html
    for figure in sorted((folder / "figures").iterdir()):
        assert figure.read_bytes() == (tmp_path / "figures" / figure.name).read_bytes(), figure.name


def test_the_operating_point_is_where_the_run_was_measured(folder: Path) -> None:
    run = load.run(folder)
    payload = run.number("bytes.per_device_per_sample.payload")
    points = [plot for plot in run_report.page(run).plots if plot.name == "accuracy_vs_bytes"]
    axes = points[0].draw(True).figure.axes[0]
    diamonds = [line.get_xydata() for line in axes.lines if line.get_marker() == "D"]
    assert np.asarray(diamonds).tolist() == [[[payload, run.number("accuracy.overall")]]]


def test_bytes_by_exit_add_up_to_all_bytes(folder: Path) -> None:
    run = load.run(folder)
    table = traffic.by_fate(run)
    assert table.fate.tolist() == ["local", "cloud", "dropped:gateway-down"]
    assert table.samples.sum() == 171
    for part in ("payload", "header", "mqtt", "tcpip"):
        assert (table[part] * table.samples).sum() == pytest.approx(run.messages[f"{part}_bytes"].sum())


def test_bytes_by_node_are_those_it_sent(folder: Path) -> None:
    run = load.run(folder)
    table = traffic.by_node(run)
    sent = run.messages[run.messages.src == "cam.1"]
    assert table.loc["cam.1", "messages"] == len(sent)
    assert table.loc["cam.1", "mqtt"] == sent.mqtt_bytes.sum()
    sizes = [f"{part}_bytes" for part in ("payload", "header", "mqtt", "tcpip")]
    assert table["total"].sum() == run.messages[sizes].to_numpy(dtype=float).sum()


def test_retransmissions_have_their_own_column(tmp_path: Path) -> None:
    folder = fake_run.write_run(tmp_path / "run", samples=9)
    messages = pd.read_parquet(folder / "messages.parquet").assign(attempts=1, retransmitted_bytes=0)
    messages.loc[messages.src == "cam.2", ["attempts", "retransmitted_bytes"]] = [3, 500]
    messages.to_parquet(folder / "messages.parquet")
    table = traffic.by_node(load.run(folder))
    sent = int((messages.src == "cam.2").sum())
    assert dict(table["repeated"])["cam.2"] == 2 * sent
    assert {name: size for name, size in table["retransmitted"].items() if size} == {"cam.2": 500 * sent}


def test_money_is_told_item_by_item(tmp_path: Path) -> None:
    folder = fake_run.write_run(tmp_path / "run", samples=9)
    (folder / "scenario.json").write_text(json.dumps({"tariffs": {"per_mb": 2.0, "per_joule": 0.0}}))
    table = next(table for table in report.page_of(folder).tables if table.name == "money").frame
    assert table.item.tolist() == ["traffic", "in all"]
    assert table.cost.tolist() == pytest.approx([2.0 * load.run(folder).nodes.bytes_up.sum() / 1e6] * 2)


def test_expectations_show_pass_and_fail(tmp_path: Path) -> None:
    folder = fake_run.write_run(tmp_path / "run")
    rows = [
        {"what": "accuracy", "bound": ">= 0.99", "value": 0.9, "ok": False},
        {"what": "bytes", "bound": "< 9", "ok": None},
    ]
    edit_summary(folder, expect=rows)
    told = run_report.expectations(load.run(folder))
    assert [(one.bound, one.value, one.ok) for one in told] == [("≥ 0.99", "0.9", False), ("< 9", "–", None)]
    assert "✗ fail" in report.page_of(folder).html()


def test_the_command_can_be_pasted_into_a_shell(folder: Path) -> None:
    assert (
        run_report.command(load.run(folder))
        == "fogfleet run scenarios/six_cameras.yaml --set 'links.cam->gw.loss=0.1 %'"
    )


def test_text_from_a_folder_cannot_become_markup(tmp_path: Path) -> None:
    folder = fake_run.write_run(tmp_path / "run")
    hostile = "<script>alert(1)</script>"
    edit_summary(folder, scenario=hostile, data={"classes": [hostile, "b", "c"]}, lost={hostile: 3})
    assert hostile not in report.page_of(folder).html()


@pytest.mark.parametrize(
    "shape",
    [
        {"drop_all": True},
        {"threshold": None, "cameras": 1},
        {"sites": 1000, "samples": 3, "faulty": True},
        {"cameras": 60, "samples": 4},
        {"samples": 1, "cameras": 2},
    ],
    ids=lambda shape: ",".join(shape),
)
def test_odd_fleets_are_reported_all_the_same(tmp_path: Path, shape: dict[str, object]) -> None:
    folder = fake_run.write_run(tmp_path / "run", **shape)  # type: ignore[arg-type]
    page = report.page_of(folder).html()
    assert "nan" not in re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.S).lower().split()
    assert len(page.encode()) < 1_500_000


def test_a_folder_of_an_older_version_is_reported(tmp_path: Path) -> None:
    folder = fake_run.write_run(tmp_path / "run")
    for name in ("faults", "nodes", "messages"):
        (folder / f"{name}.parquet").unlink()
    decisions = pd.read_parquet(folder / "decisions.parquet").drop(columns=["entropy", "devices_used", "site"])
    decisions.to_parquet(folder / "decisions.parquet")
    (folder / "summary.json").write_text(
        json.dumps({"accuracy": {"overall": 0.9}, "samples": {"captured": 171, "decided": 171}})
    )
    assert "90\u202f% of 171 samples right." in report.page_of(folder).html()


def test_an_empty_run_says_so(tmp_path: Path) -> None:
    folder = fake_run.write_run(tmp_path / "run", samples=1, drop_all=True)
    (folder / "summary.json").write_text("{}")
    for table in folder.glob("*.parquet"):
        pd.read_parquet(table).head(0).to_parquet(table)
    assert "nothing to judge" in report.page_of(folder).html()


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda path: None, "no such folder; `fogfleet run SCENARIO`"),
        (lambda path: path.write_text(""), "not a folder"),
        (lambda path: path.mkdir(), "run.json is missing"),
        (lambda path: path.with_name("run.partial").mkdir(), "only run.partial exists"),
        (lambda path: fake_run.write_run(path / "sub"), "did you mean"),
        (lambda path: (fake_run.write_run(path) / "run.json").write_text("{"), "cannot be read as JSON"),
        (lambda path: (fake_run.write_run(path) / "decisions.parquet").write_text("x"), "cannot be read as Parquet"),
    ],
)
def test_what_is_no_run_folder_is_refused_with_a_remedy(tmp_path: Path, prepare: object, says: str) -> None:
    prepare(tmp_path / "run")  # type: ignore[operator]
    with pytest.raises(load.FolderError, match=re.escape(says)):
        report.build(tmp_path / "run")


def test_an_interrupted_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(load.FolderError, match="interrupted"):
        load.run(fake_run.write_run(tmp_path / "x.partial"))


def test_just_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fake_run.write_run(tmp_path / "run")
    assert plots.main([str(folder), "-o", str(tmp_path / "here")]) == 0
    assert (tmp_path / "here" / "accuracy_vs_bytes.png").exists()
    assert not (folder / "report.html").exists()
    assert plots.main([str(tmp_path / "nowhere")]) == 4
    assert "no such folder" in capsys.readouterr().err
