"""The ledger: fates, conservation, and what ends up in the run folder."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from sim.errors import InvariantError, SetupError
from sim.ledger import messages, relay
from sim.ledger import samples as stages
from sim.ledger.faults import FaultLog
from sim.ledger.folder import RunFolder
from sim.ledger.messages import Lane, MessageLog, check_conservation
from sim.ledger.samples import SampleBook

LANE = Lane("site-0", "cam.3", "gw", "scores", "cam->gw")


def test_messages_become_rows_and_totals(tmp_path: Path) -> None:
    log = MessageLog(tmp_path / "m.parquet")
    up = log.lane(LANE)
    down = log.lane(Lane("site-0", "gw", "cam.3", "request", "gw->cam"))
    log.delivered(0.0, 0.5, up, 7, (12, 30, 104, 170), "", 3, 0.25)
    log.lost(0.1, up, 8, (12, 30, 104, 170), "loss", "jam", 8, 0.5, 0.55)
    log.flush()
    log.delivered(0.2, 0.6, down, 7, (4, 20, 52, 100), "")
    log.close()
    frame = pd.read_parquet(tmp_path / "m.parquet")
    assert frame.columns.tolist() == [
        "sent_s",
        "arrived_s",
        "src",
        "dst",
        "kind",
        "site",
        "sample",
        "payload_bytes",
        "header_bytes",
        "mqtt_bytes",
        "tcpip_bytes",
        "fate",
        "fault",
        "attempts",
        "queued_s",
        "retransmitted_bytes",
    ]
    assert frame["fate"].tolist() == ["delivered", "lost:loss", "delivered"]
    assert frame["fault"].fillna("").tolist() == ["", "jam", ""]
    assert frame["arrived_s"].isna().tolist() == [False, True, False]
    assert frame["dst"].tolist() == ["gw", "gw", "cam.3"]
    assert frame["attempts"].tolist() == [3, 8, 1]
    assert frame["queued_s"].tolist() == [0.25, 0.5, 0.0]
    assert frame["retransmitted_bytes"].tolist() == [2 * 170, 7 * 170, 0]
    assert log.tally(link="cam->gw") == (2, 24, 48, 60, 208, 9 * 170)
    assert log.tally(fate="delivered").messages == 2
    assert log.tally(kind="request").payload == 4


def test_conservation_names_the_link_that_leaks(tmp_path: Path) -> None:
    log = MessageLog(tmp_path / "m.parquet")
    up = log.lane(LANE)
    log.delivered(0.0, 0.5, up, 7, (12, 30, 104, 170), "")
    log.close()
    check_conservation(log, [("cam->gw", 1, 12)])
    with pytest.raises(InvariantError, match="link cam->gw: 2 messages"):
        check_conservation(log, [("cam->gw", 2, 24)])


def test_the_log_does_not_grow_with_the_run(tmp_path: Path) -> None:
    log = MessageLog(tmp_path / "m.parquet")
    up = log.lane(LANE)
    for sample in range(200_000):
        log.delivered(sample * 1.0, sample + 0.5, up, sample, (12, 30, 104, 170), "")
    assert len(log.codes) < 1 << 16
    log.close()
    assert log.tally().messages == len(pd.read_parquet(tmp_path / "m.parquet")) == 200_000


def test_the_first_decision_counts_and_every_sample_has_one_fate(tmp_path: Path) -> None:
    book = SampleBook(1, 3)
    for sample in range(3):
        book.open(0, sample, label=1, captured_s=float(sample))
    assert book.decide(0, 0, "local", 1, 0.2, 0.5, 6)
    assert not book.decide(0, 0, "cloud", 2, 0.1, 0.9, 6)
    book.reach(0, 1, stages.FORWARDED)
    book.reach(0, 1, stages.CAPTURED)
    book.check(3)
    book.write(tmp_path / "d.parquet", ["site-0"])
    frame = pd.read_parquet(tmp_path / "d.parquet")
    assert frame.columns.tolist() == (
        [
            "site",
            "sample",
            "label",
            "predicted",
            "exit",
            "entropy",
            "captured_s",
            "decided_s",
            "devices_used",
            "fate",
            "fault",
        ]
    )
    assert frame["fate"].tolist() == ["local", "dropped:uplink-lost", "dropped:no-camera"]
    assert frame["predicted"].isna().tolist() == [False, True, True]
    with pytest.raises(InvariantError, match="4 samples were due"):
        book.check(4)
    with pytest.raises(InvariantError, match="opened twice"):
        book.open(0, 1, 1, 1.0)
    with pytest.raises(InvariantError, match="captured at 2"):
        book.decide(0, 2, "local", 1, 0.2, 1.5, 6)


def test_faults_are_rows_from_injection_to_recovery(tmp_path: Path) -> None:
    log = FaultLog()
    row = log.start("crash", "cam.3", 20.0, "{}")
    row.end_s = 50.0
    log.never_fired("jam", "gw", "{}")
    log.write(tmp_path / "f.parquet")
    frame = pd.read_parquet(tmp_path / "f.parquet")
    assert frame[["kind", "end_s", "fired"]].iloc[0].tolist() == ["crash", 50.0, True]
    assert not frame["fired"].iloc[1]


def test_a_run_folder_has_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "one")
    folder.write_json("run.json", {"status": "running"})
    assert [path.name for path in tmp_path.iterdir()] == ["one.partial"]
    assert folder.complete() == tmp_path / "one"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_an_abandoned_run_says_why(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "one")
    folder.abandon("interrupted", {"seed": 7})
    record = json.loads((tmp_path / "one.partial" / "run.json").read_text())
    assert record == {"seed": 7, "status": "interrupted"}


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot write the run folder"):
        RunFolder(tmp_path / "file", "one")


def test_the_earlier_decision_counts_whichever_is_told_first() -> None:
    for order in ([0, 1], [1, 0]):
        book = SampleBook(1, 1)
        book.open(0, 0, 2, 0.0)
        for which in order:
            book.decide(0, 0, ("cloud", "device")[which], which, 0.5, (0.2, 0.3)[which], 1)
        entry = book.entry(0, 0)
        assert (entry.exit, entry.predicted, entry.decided_s) == ("cloud", 0, 0.2)


def test_a_log_that_is_interrupted_while_it_writes_can_be_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "ROW_GROUP", 10)
    log = MessageLog(tmp_path / "m.parquet")
    lane, write, written = log.lane(LANE), log._write, list[messages.Rows]()

    def interrupted(rows: messages.Rows) -> None:
        write(rows)
        written.append(rows)
        if len(written) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(log, "_write", interrupted)
    for number in range(45):
        log.lost_code(float(number), log.code(lane, (12, 30, 104, 170)) | number, "loss", "", 0.0, float(number))
    with pytest.raises(KeyboardInterrupt):
        log.settle(42.0)
    log.close()
    assert pd.read_parquet(tmp_path / "m.parquet")["sample"].tolist() == [*range(20), *range(40, 45)]


def test_rows_that_several_logs_hand_on_make_the_file_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small row groups; lanes that are in one log each; messages of one time; losses."""
    monkeypatch.setattr(messages, "ROW_GROUP", 50)
    monkeypatch.setattr(relay, "ROW_GROUP", 50)
    monkeypatch.setattr(relay, "BATCH", 20)
    random = np.random.default_rng(5)
    lanes = [Lane(f"site-{n // 3}", f"cam.{n % 3}", "gw", "scores", "cam->gw") for n in range(12)]
    whole, joint = MessageLog(tmp_path / "whole.parquet"), relay.JointLog(tmp_path / "joint.parquet", 2)
    parts = [relay.RelayLog(first, partial(joint.add, shard), 2.0) for shard, first in enumerate((0, 6))]
    for log, mine in ((whole, lanes), (joint, lanes), (parts[0], lanes[:6]), (parts[1], lanes[6:])):
        assert [log.lane(lane) for lane in mine] == [lanes.index(lane) for lane in mine]
    for second in range(30):
        for lane in random.integers(0, 12, 40).tolist():
            when_s, size = second + float(random.integers(0, 8)) / 8, (int(random.integers(1, 3)), 30, 104, 170)
            for log in (whole, parts[lane // 6]):
                code = log.code(lane, size) | 1 << 56 | second
                if size[0] == 2:
                    log.lost_code(float(second), code, ("loss", "queue")[lane % 2], "", 0.0, when_s)
                else:
                    log.sent_s.append(second)
                    log.arrived_s.append(when_s)
                    log.queued_s.append(0.25)
                    log.codes.append(code)
        for log in (whole, *parts, joint):
            log.settle(joint.until_s if log is joint else second + 1.0)
    for log in (*parts, joint, whole):
        log.close()
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "joint.parquet").read_bytes()
    assert pq.ParquetFile(tmp_path / "joint.parquet").num_row_groups == 24
    assert joint.totals() == whole.totals()
