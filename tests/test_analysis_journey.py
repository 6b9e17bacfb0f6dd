"""Where time goes, derived from the ledger of real runs: it adds up, and each part is what the scenario makes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import world_kit

from analysis import load, report
from analysis.figures import journey as figures
from analysis.figures.timing import end_of
from analysis.journey import PARTS, parts
from sim import world


def simulated(folder: Path, *overrides: str, scenario: str = "six_cameras") -> load.Run:
    return load.run(world.simulate(world_kit.small(scenario, *overrides), mode="virtual", out=folder).folder)


def sections(run: load.Run, role: str) -> dict[str, float]:
    """Seconds that each section takes on the nodes of a role."""
    return next(node["compute_s"] for node in run.summary["topology"]["nodes"] if node["role"] == role)


@pytest.mark.parametrize(
    ("scenario", "overrides"),
    [
        ("six_cameras", ()),
        ("six_cameras", ("exits.local=0.3", "links.cam->gw.loss=20 %")),
        ("six_cameras", ("nodes.cam.send=raw", "exits.local=null")),
        ("six_cameras", ("model.edge={filters: 2}", "exits.edge=0.7", "nodes.gw.count=2", "sites=2")),
        ("topology_f", ()),
    ],
    ids=str,
)
def test_the_parts_add_up_to_the_latency(tmp_path: Path, scenario: str, overrides: tuple[str, ...]) -> None:
    run = simulated(tmp_path, *overrides, scenario=scenario)
    found = parts(run)
    decided = run.decisions.dropna(subset=["decided_s"])
    assert len(found) == len(decided) > 0
    latency = (decided.decided_s - decided.captured_s).to_numpy(float)
    assert found[list(PARTS)].sum(axis=1).to_numpy() == pytest.approx(latency, abs=1e-9)
    assert (found[list(PARTS)].to_numpy() >= 0).all()


def test_without_disturbance_nothing_waits_and_every_section_counts_once(tmp_path: Path) -> None:
    run = simulated(tmp_path, "exits.local=0.5", "links.cam->gw.jitter=0 s", "links.cam->gw.loss=0 %")
    found = parts(run).set_index("exit")
    speed = {role: sections(run, role) for role in ("camera", "gateway", "cloud")}
    below = speed["camera"]["device"] + speed["gateway"]["local"]
    through = found.loc[["cloud"]]
    assert through["compute"].to_numpy() == pytest.approx(below + speed["cloud"]["cloud"], abs=1e-12)
    assert found[["capture", "wait"]].to_numpy() == pytest.approx(0.0, abs=1e-12)
    assert through["queue"].min() > 0, "features of six cameras leave the gateway one after the other"


def test_a_camera_that_is_down_makes_the_gateway_wait(tmp_path: Path) -> None:
    run = simulated(tmp_path, "down=[cam.2]", "nodes.gw.wait=150 ms")
    local = parts(run).query("exit == 'local'")
    assert len(local)
    assert local.wait.to_numpy() == pytest.approx(0.15, abs=0.02), "all others answer within a few milliseconds"


def test_a_narrow_link_makes_queues(tmp_path: Path) -> None:
    run = simulated(tmp_path, "exits.local=0.1", "links.gw->cloud.bandwidth=8 kbit/s")
    lengths = figures.queue_lengths(run, end_of(run))
    assert next(iter(lengths)) == "gw\u00a0→\u00a0cloud"
    assert int(lengths["gw\u00a0→\u00a0cloud"].max()) >= 5
    assert parts(run).query("exit == 'cloud'")["queue"].mean() > 0.1
    page = report.page_of(run.folder)
    assert {"where_time_goes", "queue_lengths"} <= {plot.name for plot in page.plots}
    share = next(section for section in page.sections if section.key == "latency").finding
    assert "Most of it" in share


def test_queue_lengths_of_messages_that_stand_for_long() -> None:
    frame = pd.DataFrame({"sent_s": [0.0, 10.0, 10.0], "queued_s": [50.0, 30.0, 80.0]})
    most = figures._most(frame, 100.0)
    at = {seconds: int(most[int(seconds / 100 * figures.SLOTS)]) for seconds in (5, 20, 45, 60, 95)}
    assert at == {5: 1, 20: 3, 45: 2, 60: 1, 95: 0}


def test_folders_that_do_not_tell_are_reported_without_it(tmp_path: Path) -> None:
    folder = simulated(tmp_path).folder
    messages = pd.read_parquet(folder / "messages.parquet")
    messages.drop(columns=["attempts", "queued_s", "retransmitted_bytes"]).to_parquet(folder / "messages.parquet")
    assert parts(load.run(folder)).empty
    page = report.page_of(folder)
    assert "where_time_goes" not in {plot.name for plot in page.plots}
    assert np.isfinite(load.run(folder).number("accuracy.overall"))
