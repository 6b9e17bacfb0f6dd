"""What the scenario tests share: a small valid scenario, changes to it, and fault kinds that only tests know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from sim.errors import Problem, ScenarioError
from sim.scenario import Scenario, loads

SCENARIOS = Path(__file__).parent.parent / "scenarios"

SMALL = """\
name: small
nodes:
  cam: {role: camera, count: 4, uplink: gw}
  gw: {role: gateway, uplink: cloud}
  cloud: {role: cloud}
links:
  cam->gw: {bandwidth: 250 kbit/s, latency: 5 ms}
  gw->cloud: {bandwidth: 5 Mbit/s}
exits: {local: 0.8}
"""


class Crash(BaseModel):
    """The node stops."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
    kind: Literal["crash"]


class Noise(BaseModel):
    """The picture gets noisy."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
    kind: Literal["noise"]
    strength: Annotated[float, Field(ge=0, le=1)]


KINDS: dict[str, type[BaseModel]] = {"crash": Crash, "noise": Noise}


def changed(*changes: tuple[str, str], base: str = SMALL) -> str:
    """The small scenario with pieces of its text replaced; each must be there."""
    for old, new in changes:
        assert old in base, f"{old!r} is not in the scenario"
        base = base.replace(old, new, 1)
    return base


def problems(text: str, overrides: Sequence[str] = (), seed: int | None = None) -> tuple[Problem, ...]:
    """What is wrong with a scenario that must not be valid."""
    with pytest.raises(ScenarioError) as caught:
        loads(text, "s.yaml", overrides=overrides, seed=seed, fault_kinds=KINDS)
    return caught.value.problems


def told(text: str, overrides: Sequence[str] = ()) -> list[str]:
    """The same as lines."""
    return [str(problem) for problem in problems(text, overrides)]


def valid(text: str, overrides: Sequence[str] = ()) -> Scenario:
    """A scenario that must be valid."""
    return loads(text, "s.yaml", overrides=overrides, fault_kinds=KINDS)
