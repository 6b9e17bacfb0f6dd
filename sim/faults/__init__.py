"""Faults: *what* is a small kind, *when* a schedule, *to whom* a target; kept apart, and all under one seed."""

from sim.faults.engine import Engine
from sim.faults.fleet import Surroundings
from sim.faults.registry import GROUP, Kinds, known

__all__ = ["GROUP", "Engine", "Kinds", "Surroundings", "known"]
