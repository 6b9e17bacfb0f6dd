"""Columns made by their buffers hold what `pyarrow.array` would have made of the same values."""

import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from world_kit import ROOT, SMALL

from sim.ledger.columns import column, named, numbers, strings, table

NAMES = pa.dictionary(pa.int32(), pa.string())


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, None, -0.0, float("nan")], pa.float64()),
        ([1, 2, 3], pa.int32()),
        ([None, None], pa.int64()),
        ([True, None, False] * 7, pa.bool_()),
        (["", "Zürich", None, "a" * 300], pa.string()),
        (["b", "a", None, "b"], NAMES),
        ([], pa.string()),
        ([], pa.float64()),
        ([], NAMES),
    ],
)
def test_a_column_of_plain_values(values: list[object], kind: pa.DataType) -> None:
    made, wanted = column(values, kind), pa.array(values, kind)
    made.validate(full=True)
    assert (made.type, made.null_count) == (wanted.type, wanted.null_count)
    assert repr(made.to_pylist()) == repr(wanted.to_pylist())


def test_columns_of_numpy() -> None:
    values, missing = np.arange(40, dtype=np.int16)[::2], np.arange(20) % 3 == 0
    made = numbers(values, missing)
    made.validate(full=True)
    assert made.equals(pa.array(values, mask=missing))
    assert named(np.array([1, -1, 0]), ["a", "b"]).to_pylist() == ["b", None, "a"]
    assert strings(["x", None]).to_pylist() == ["x", None]


def test_rows_as_a_table() -> None:
    schema = pa.schema([("name", pa.string()), ("cost", pa.float64())])
    rows: list[dict[str, Any]] = [{"name": "a", "cost": 1.0, "more": 3}, {"name": "b"}]
    assert table(rows, schema).equals(pa.Table.from_pylist(rows, schema=schema))


def test_a_run_does_not_load_pandas(tmp_path: object) -> None:
    code = "import sys; from sim.cli import main\ntry: main()\nfinally: print('pandas' in sys.modules)"
    options = ["--mode", "virtual", "-o", str(tmp_path), *(word for value in SMALL for word in ("--set", value))]
    command = [sys.executable, "-c", code, "run", "scenarios/six_cameras.yaml", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "False", done.stdout + done.stderr
