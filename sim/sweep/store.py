"""Where results are kept while a sweep runs: one line of JSON a point, only ever appended.

A line counts once its newline is there, so a kill at any moment leaves whole results and at most one torn line, which
the next run cuts off. Nothing else of a sweep has to survive; the tables are made from these lines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sim.errors import SetupError

try:
    import fcntl
except ImportError:  # Windows has no advisory locks; there the user sees to it that one sweep runs at a time.
    fcntl = None  # type: ignore[assignment]

RESULTS: Final = "results.jsonl"
COMPLETE: Final = "complete"
FAILED: Final = "failed"

Record = dict[str, Any]
"""`key`, `status` (complete or failed), `figures` or `error`, `wall_s`, `data`, `weights`."""


def read(folder: Path) -> dict[str, Record]:
    """The stored results by key; of several with one key the last, but a complete one before a failed one."""
    records: dict[str, Record] = {}
    try:
        lines = (folder / RESULTS).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return records
    except OSError as error:
        raise SetupError(f"cannot read {folder / RESULTS}: {error.strerror}") from error
    for line in lines:
        record = _parse(line)
        if record is not None:
            known = records.get(record["key"])
            if known is None or known["status"] != COMPLETE:
                records[record["key"]] = record
    return records


def _parse(line: bytes) -> Record | None:
    """The record in a line; None for one that was torn by a kill or a power cut."""
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(record, dict) and isinstance(record.get("key"), str) and "status" in record
    return record if whole else None


class Store:
    """The results of one sweep folder, open for adding; a context manager that holds the folder's lock.

    Args:
        folder: created if need be.
        fresh: forget what is there.

    Raises:
        SetupError: the folder cannot be written, or another sweep is writing to it.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self._path = folder / RESULTS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise SetupError(f"cannot write {self._path}: {error.strerror}") from error
        self._lock()
        self._size = 0 if fresh else _whole_lines(self._path)
        os.ftruncate(self._file, self._size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def add(self, records: Iterable[Record]) -> None:
        """Appends results in one write; all of them are there afterwards or, with an error, none.

        Raises:
            SetupError: the disk is full or gone.
        """
        text = "".join(json.dumps(record, allow_nan=False) + "\n" for record in records).encode()
        try:
            written = 0
            while written < len(text):
                written += os.write(self._file, text[written:])
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise SetupError(
                f"cannot write {self._path}: {error.strerror}; the results so far are kept, "
                "and the same command continues from them"
            ) from error
        self._size += len(text)

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise SetupError(f"another sweep is writing to {self._path.parent}; wait for it or stop it") from error


def _whole_lines(path: Path) -> int:
    """Bytes up to and including the last newline."""
    return path.read_bytes().rfind(b"\n") + 1
