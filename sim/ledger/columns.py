"""Columns for Arrow out of numpy and strings, by their buffers: `pyarrow.array` would load pandas to look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa


def numbers(values: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Numbers `(n,)` as they are; null where `missing` `(n,)` says so."""
    there = None if missing is None else _bits(~missing)
    content = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(content.dtype), len(content), [there, pa.py_buffer(content)])


def strings(values: Sequence[str | None]) -> pa.Array:
    """Strings; None is null."""
    encoded = [b"" if value is None else value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
    there = _bits(np.array([value is not None for value in values], np.bool_)) if None in values else None
    buffers = [there, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def named(codes: np.ndarray, names: Sequence[str]) -> pa.DictionaryArray:
    """The names that codes `(n,)` stand for, as a dictionary; negative codes are null."""
    missing = codes < 0
    indices = numbers(codes.astype(np.int32), missing if missing.any() else None)
    return pa.DictionaryArray.from_arrays(indices, strings(names))


def table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows of plain values as a table; None is null, and so is what is left out."""
    columns = [column([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Plain values as numbers, truth values, strings or a dictionary of strings; None is null."""
    if pa.types.is_dictionary(kind):
        codes: dict[str, int] = {}
        found = [-1 if value is None else codes.setdefault(value, len(codes)) for value in values]
        return named(np.array(found, np.int32), list(codes))
    if pa.types.is_string(kind):
        return strings(values)
    missing = np.array([value is None for value in values], np.bool_)
    there = _bits(~missing) if missing.any() else None
    if pa.types.is_boolean(kind):
        content = _bits(np.array([bool(value) for value in values], np.bool_))
        return pa.Array.from_buffers(kind, len(values), [there, content])
    dense = np.array([0 if value is None else value for value in values], kind.to_pandas_dtype())
    return numbers(dense, missing if missing.any() else None)


def _bits(there: np.ndarray) -> pa.Buffer:
    return pa.py_buffer(np.packbits(there, bitorder="little"))
