"""The embedded data set: cars, buses and persons on a square, seen by six unequal cameras, rendered from a seed."""

from sim.data.multiview.cached import multiview

__all__ = ["multiview"]
