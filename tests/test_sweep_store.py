"""The store: whole lines survive anything, half of one is never taken for a result."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sim.errors import SetupError
from sim.sweep import store
from sim.sweep.store import RESULTS, Store


def record(key: str, status: str = "complete", **more: object) -> store.Record:
    return {"key": key, "status": status, "figures": {"accuracy.overall": 0.5}, "wall_s": 0.1, **more}


def test_what_was_added_is_read_back(tmp_path: Path) -> None:
    with Store(tmp_path / "deep" / "sweep") as results:
        results.add([record("a"), record("b")])
        results.add([record("c", "failed", error="boom")])
    assert store.read(tmp_path / "deep" / "sweep") == {
        "a": record("a"),
        "b": record("b"),
        "c": record("c", "failed", error="boom"),
    }


def test_nothing_there_is_no_results(tmp_path: Path) -> None:
    assert store.read(tmp_path) == {}


def test_cut_off_anywhere_the_whole_lines_before_survive(tmp_path: Path) -> None:
    with Store(tmp_path) as results:
        results.add([record("a"), record("b"), record("c")])
    path = tmp_path / RESULTS
    whole = path.read_bytes()
    line = len(whole) // 3
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert list(store.read(tmp_path)) == ["a", "b", "c"][: cut // line]
        with Store(tmp_path) as results:
            results.add([record("d")])
        assert list(store.read(tmp_path)) == [*["a", "b", "c"][: cut // line], "d"]


def test_garbage_in_the_middle_is_skipped(tmp_path: Path) -> None:
    lines = [json.dumps(record("a")), '{"key": "b"}', "\x00\x00", "[]", json.dumps(record("c"))]
    (tmp_path / RESULTS).write_text("\n".join(lines) + "\n")
    assert list(store.read(tmp_path)) == ["a", "c"]


def test_a_complete_result_stands_before_a_failed_one(tmp_path: Path) -> None:
    with Store(tmp_path) as results:
        results.add([record("a", "failed", error="boom"), record("a"), record("a", "failed", error="late")])
    assert store.read(tmp_path)["a"]["status"] == "complete"


def test_fresh_forgets(tmp_path: Path) -> None:
    with Store(tmp_path) as results:
        results.add([record("a")])
    with Store(tmp_path, fresh=True) as results:
        results.add([record("b")])
    assert list(store.read(tmp_path)) == ["b"]


def test_two_sweeps_cannot_write_to_one_folder(tmp_path: Path) -> None:
    with Store(tmp_path) as results:
        with pytest.raises(SetupError, match="another sweep"):
            Store(tmp_path, fresh=True)
        results.add([record("a")])
    assert list(store.read(tmp_path)) == ["a"]


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write

    def fills_up(file: int, data: bytes) -> int:
        if len(data) > 100:
            return real(file, data[:60])
        raise OSError(28, "No space left on device")

    with Store(tmp_path) as results:
        results.add([record("a")])
        monkeypatch.setattr(os, "write", fills_up)
        with pytest.raises(SetupError, match="No space left"):
            results.add([record("b"), record("c")])
        monkeypatch.undo()
        results.add([record("d")])
    assert list(store.read(tmp_path)) == ["a", "d"]


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="cannot write"):
        Store(tmp_path / "file" / "sweep")
