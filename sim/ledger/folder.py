"""The run folder: written as `<id>.partial`, renamed when it is complete, so that no half is taken for a whole."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sim.errors import SetupError

PARTIAL = ".partial"


class RunFolder:
    """One run folder on its way to completion."""

    def __init__(self, parent: Path, run_id: str) -> None:
        self.final = parent / run_id
        self.path = parent / (run_id + PARTIAL)
        try:
            self.path.mkdir(parents=True)
            self._log = (self.path / "log.jsonl").open("w", encoding="utf-8")
        except OSError as error:
            raise SetupError(f"cannot write the run folder {self.path}: {error.strerror}") from error
        self._began = time.monotonic()

    def log(self, event: str, **fields: Any) -> None:
        """Adds a line to `log.jsonl`: wall-clock time, seconds since the start, event, fields."""
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "elapsed_s": round(time.monotonic() - self._began, 3),
            "event": event,
            **fields,
        }
        self._log.write(json.dumps(entry) + "\n")
        self._log.flush()

    def write_text(self, name: str, text: str) -> None:
        """Writes one file of the folder."""
        (self.path / name).write_text(text, encoding="utf-8")

    def write_json(self, name: str, value: object) -> None:
        """Writes one JSON file of the folder; NaN is refused."""
        self.write_text(name, json.dumps(value, indent=2, allow_nan=False) + "\n")

    def abandon(self, status: str, run: dict[str, Any]) -> None:
        """Leaves the folder under its `.partial` name, with what was done and why it stopped."""
        self.write_json("run.json", {**run, "status": status})
        self.log(status)
        self._log.close()

    def complete(self) -> Path:
        """Renames the folder to its final name, which is returned."""
        self.log("complete")
        self._log.close()
        self.path.rename(self.final)
        return self.final
