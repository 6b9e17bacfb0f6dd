"""Every error that FogFleet raises on purpose, each with the exit code that the command returns for it.

    FogFleetError            4
    ├── UsageError           2   the command was called wrongly
    ├── ScenarioError        3   a scenario is not valid; carries every problem at once
    ├── SetupError           4   broker, file system, divergence
    ├── DataError            4   a data file is missing or bad
    └── InvariantError       4   a conservation check failed

All of them take positional arguments only and survive `type(e)(*e.args)`, because SimPy re-creates exceptions so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one place.

    Attributes:
        file: the file as the user named it, or the option (`--set exits.local`) that brought the value.
        line: 1-based line, 0 where there is none (an option, a file that cannot be read).
        column: 1-based column, 0 where there is none.
        path: dotted path inside the scenario (`links.cam->gw.bandwidth`), empty for the document as a whole.
        message: what is wrong and what would be right.
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class FogFleetError(Exception):
    """Base of all errors here; catching it catches everything that FogFleet reports."""

    exit_code: ClassVar[int] = 4


class UsageError(FogFleetError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class ScenarioError(FogFleetError):
    """A scenario is not valid. `args[0]` is a tuple of all its problems."""

    exit_code = 3

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems, in the order of the file."""
        problems: tuple[Problem, ...] = self.args[0]
        return problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class SetupError(FogFleetError):
    """The surroundings are not as needed: broker, file system, a divergence between model and broker."""


class DataError(FogFleetError):
    """A data file is missing or its content is not what was promised."""


class InvariantError(FogFleetError):
    """A check that must hold in every run did not: a sample without a fate, bytes from nowhere."""
