"""How far a sweep is, for whoever shows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class State:
    """How far one stage of a sweep is.

    Attributes:
        stage: `networks` or `points`.
        total: how many there are.
        done: how many are there already, from this run or an earlier one.
        failed: how many of those failed.
        fresh: how many this run has done.
        elapsed_s: seconds that this run has spent on the stage.
    """

    stage: str
    total: int
    done: int
    failed: int
    fresh: int
    elapsed_s: float

    @property
    def rate(self) -> float:
        """Items a second in this run."""
        return self.fresh / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the end, None as long as nobody knows."""
        return (self.total - self.done) / self.rate if self.rate else None


Progress = Callable[[State], None]


@dataclass
class Meter:
    """Counts one stage and tells of it."""

    stage: str
    total: int
    progress: Progress
    done: int = 0
    failed: int = 0
    fresh: int = 0
    _began: float = field(default_factory=time.monotonic)

    def tell(self, fresh: int = 0, failed: int = 0) -> None:
        """Adds items that were just finished, and tells the state."""
        self.fresh += fresh
        self.done += fresh
        self.failed += failed
        elapsed_s = time.monotonic() - self._began
        self.progress(State(self.stage, self.total, self.done, self.failed, self.fresh, elapsed_s))
