"""Random fleets under random faults: every invariant is checked, a failure is replayed by its seed and made small."""

from sim.fuzz.campaign import Campaign, Failure

__all__ = ["Campaign", "Failure"]
