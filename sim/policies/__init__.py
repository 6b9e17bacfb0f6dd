"""Policies: what a camera sends of each sample (`split`), which cameras a gateway asks for features (`select`), which
gateway takes over from one that has failed (`failover`), and what a gateway's threshold becomes (`retune`).
"""

from sim.policies.base import Heard, Policy, Route, Seen, Selection, SelectPolicy, Sends, SplitPolicy, View
from sim.policies.failover import FailoverPolicy, Outage, Standby
from sim.policies.registry import GROUP, Policies, by_sort, known
from sim.policies.retune import Outlook, RetunePolicy, Window

__all__ = [
    "GROUP",
    "FailoverPolicy",
    "Heard",
    "Outage",
    "Outlook",
    "Policies",
    "Policy",
    "RetunePolicy",
    "Route",
    "Seen",
    "SelectPolicy",
    "Selection",
    "Sends",
    "SplitPolicy",
    "Standby",
    "View",
    "Window",
    "by_sort",
    "known",
]
