"""All that a package with fault kinds or policies of its own needs; it imports from nowhere else in FogFleet.

Derive a kind of fault from the base class of its layer and register it under the entry-point group `fogfleet.faults`
(`docs/faults.md` shows a whole package); a policy, from `SplitPolicy`, `SelectPolicy`, `FailoverPolicy` or
`RetunePolicy`, under `fogfleet.policies` (`docs/policies.md`).
"""

from sim.faults.base import (
    BrokerFault,
    Forward,
    Image,
    LinkFault,
    MessageFault,
    ModelFault,
    NodeFault,
    Output,
    SensorFault,
)
from sim.faults.context import Context
from sim.faults.handles import LinkHandle, NodeHandle
from sim.faults.machinery import BrokerHandle
from sim.nodes.lanes import Message
from sim.policies.base import Heard, Route, Seen, Selection, SelectPolicy, Sends, SplitPolicy, View
from sim.policies.failover import FailoverPolicy, Outage, Standby
from sim.policies.retune import Outlook, RetunePolicy, Window
from sim.scenario.types import BitRate, Duration, Period, Share

__all__ = [
    "BitRate",
    "BrokerFault",
    "BrokerHandle",
    "Context",
    "Duration",
    "FailoverPolicy",
    "Forward",
    "Heard",
    "Image",
    "LinkFault",
    "LinkHandle",
    "Message",
    "MessageFault",
    "ModelFault",
    "NodeFault",
    "NodeHandle",
    "Outage",
    "Outlook",
    "Output",
    "Period",
    "RetunePolicy",
    "Route",
    "Seen",
    "SelectPolicy",
    "Selection",
    "Sends",
    "SensorFault",
    "Share",
    "SplitPolicy",
    "Standby",
    "View",
    "Window",
]
