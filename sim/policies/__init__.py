"""Policies: what a camera sends of each sample (`split`), and which cameras a gateway asks for features (`select`)."""

from sim.policies.base import Heard, Policy, Route, Seen, Selection, SelectPolicy, Sends, SplitPolicy, View
from sim.policies.registry import GROUP, Policies, by_sort, known

__all__ = [
    "GROUP",
    "Heard",
    "Policies",
    "Policy",
    "Route",
    "Seen",
    "SelectPolicy",
    "Selection",
    "Sends",
    "SplitPolicy",
    "View",
    "by_sort",
    "known",
]
