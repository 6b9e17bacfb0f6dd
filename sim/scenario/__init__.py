"""Scenarios: one YAML file with data, network, fleet, links, faults, sweep and expectations, checked to the last key.

`load` and `loads` give a `Scenario` in SI units with all defaults, or one `ScenarioError` that lists every problem with
its place. Nothing here depends on the wall clock, the network or the machine.
"""

from sim.scenario.expectations import EXPECT_ALIASES, Expectation, expectation
from sim.scenario.faults import COMMON_KEYS, Fault
from sim.scenario.load import build, load, loads
from sim.scenario.model import Camera, Cloud, Gateway, Link, Node, NodeInstance, Scenario
from sim.scenario.parts import (
    Aggregate,
    CustomData,
    Data,
    Exits,
    Folder,
    Model,
    Mqtt,
    Multiview,
    Mvmc,
    Partition,
    Section,
    Tariffs,
    Training,
)
from sim.scenario.policies import Policies
from sim.scenario.schema import json_schema, schema_text
from sim.scenario.sweeps import Interval, Sweep
from sim.scenario.tenants import Quota, Tenant

__all__ = [
    "COMMON_KEYS",
    "EXPECT_ALIASES",
    "Aggregate",
    "Camera",
    "Cloud",
    "CustomData",
    "Data",
    "Exits",
    "Expectation",
    "Fault",
    "Folder",
    "Gateway",
    "Interval",
    "Link",
    "Model",
    "Mqtt",
    "Multiview",
    "Mvmc",
    "Node",
    "NodeInstance",
    "Partition",
    "Policies",
    "Quota",
    "Scenario",
    "Section",
    "Sweep",
    "Tariffs",
    "Tenant",
    "Training",
    "build",
    "expectation",
    "json_schema",
    "load",
    "loads",
    "schema_text",
]
