"""Policies and tenants of fleets of separate processes, on real processes and a real broker."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from brokers_kit import needs_mosquitto
from fault_kit import TEXT, _network
from separate_kit import PATIENT
from world_kit import table

from sim import wire, world
from sim.ledger.events import EventLog
from sim.ledger.rows import THRESHOLD, Row
from sim.nodes.gateway import Gateway
from sim.world.plan import Plan
from sim.world.prepare import Prepared
from sim.world.separate import orders
from sim.world.separate.helm import Helm
from sim.world.separate.orders import Play
from sim.world.separate.station import Station
from sim.world.separate.up import up

RETUNE = "policies.retune={kind: byte-budget, bytes: 40, every: 2 s}"


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., Any]:
    """The small fleet of the fault tests, in a file."""
    path = tmp_path / "three.yaml"
    path.write_text(TEXT)
    return lambda *overrides: world.load(path, [*PATIENT, *overrides])


def prepared_for(wanted: Any) -> Prepared:
    """The small fleet, trained once for all."""
    prepared, _ = _network("")
    return Prepared(Plan(wanted), prepared.dataset, prepared.network)


def station(prepared: Prepared, name: str) -> Station:
    """A node that is at no broker."""
    return Station(prepared, name, "mqtt://127.0.0.1:1", "testtest")


class Conducted:
    """A helm and the orders that it gave."""

    def __init__(self, prepared: Prepared) -> None:
        self.told: list[tuple[str, Any]] = []
        self.events = EventLog()
        self.fleet = station(prepared, "cloud").fleet
        self.helm = Helm(prepared.plan, self.fleet, self.events, lambda name, order: self.told.append((name, order)))


# -- what is said to one node


def test_an_order_to_play_a_role_is_these_bytes() -> None:
    order = Play(1, 0.25, (0, 3, 5))
    payload = orders.encode(order)
    assert payload.hex(" ", -4) == "03000100 00000000 00000000 0000d03f 00000300 0500"
    frame = wire.encode(wire.CONTROL, wire.ORDER, 0, 42, 2, payload)
    assert frame[:24].hex(" ", -4) == "01070600 00000000 2a000000 02000000 16000000 a904779e"
    assert orders.decode(wire.decode(frame).payload) == order
    assert orders.decode(orders.encode(Play(0, None, ()))) == Play(0, None, ())


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        orders.encode(Play(0, None, (1,)))[:-1],
        struct.pack("<HHId", 9, 0, 0, 0.5),
        struct.pack("<HHId", 3, 0, 0, 1.5),
        struct.pack("<HHId", 3, 0, 0, math.inf),
    ],
)
def test_orders_that_cannot_be_are_none(payload: bytes) -> None:
    with pytest.raises(wire.Malformed, match=r"order|command"):
        orders.decode(payload)


# -- thresholds


@needs_mosquitto
def test_thresholds_move_in_the_process_of_the_gateway(scenario: Callable[..., Any], tmp_path: Path) -> None:
    wanted = scenario(RETUNE, "exits.local=0", "samples=8")
    result = up(wanted, broker="mosquitto", out=tmp_path, speed=2.0)
    assert result.exit_code == 0
    events = table(result.folder, "events").query("event == 'retune'")
    assert set(events["node"]) == {"gw"} and (events["at_s"] % 2 == 0).all(), "at the end of a window"
    assert list(events["was"]) == ["0", *events["becomes"].iloc[:-1]]
    assert events["reason"].str.fullmatch(r"[\d.]+ B, [123] of 3 cameras|nothing judged, 0 of 3 cameras").all()
    retunes = result.summary["retunes"]
    assert retunes["count"] == len(events) >= 1
    assert f"{retunes['final']['highest']:.6g}" == events["becomes"].iloc[-1]
    decisions = table(result.folder, "decisions")
    assert decisions["exit"].notna().all() and "local" in set(decisions["exit"]), "with T = 0 nothing left there"
    moved_s, thresholds = events["at_s"].to_numpy(), [0.0, *events["becomes"].astype(float)]
    local = decisions[decisions["exit"] == "local"]
    in_force = pd.Series([thresholds[(moved_s <= at_s).sum()] for at_s in local["decided_s"]], local.index)
    assert (local["entropy"] < in_force + 1e-6).all(), "the events say which threshold was in force"


def test_a_gateway_tells_of_its_thresholds_and_a_new_process_is_told(scenario: Callable[..., Any]) -> None:
    prepared = prepared_for(scenario(RETUNE))
    gateway, conducted = station(prepared, "site-0/gw"), Conducted(prepared)
    conducted.helm.back("site-0/gw")
    assert conducted.told == [("site-0/gw", Play(0, 0.6, ()))], "the scenario's"
    row = Row(THRESHOLD, 0, extra=3, place=0, sequence=2, size=240, time_s=4.0, more=0.8)
    conducted.helm.take("site-0/gw", row)
    (event,) = conducted.events.rows
    assert (event.at_s, event.node, event.was, event.becomes) == (4.0, "gw", "0.6", "0.8")
    assert event.reason == "40 B, 3 of 3 cameras"
    conducted.helm.back("site-0/gw")
    name, order = conducted.told[-1]
    assert (name, order) == ("site-0/gw", Play(0, 0.8, ()))
    gateway.duties.obey(order)
    node = next(node for node in gateway.fleet.nodes if isinstance(node, Gateway))
    assert node.services.thresholds["local"] == 0.8


@pytest.mark.parametrize(
    "row",
    [
        Row(THRESHOLD, place=7, time_s=1.0, more=0.5),
        Row(THRESHOLD, time_s=1.0, more=1.5),
        Row(THRESHOLD, time_s=1.0, more=math.nan),
        Row(THRESHOLD, time_s=math.inf, more=0.5),
    ],
)
def test_what_no_gateway_can_have_told_is_nobody_s(scenario: Callable[..., Any], row: Row) -> None:
    conducted = Conducted(prepared_for(scenario(RETUNE)))
    conducted.helm.take("site-0/gw", row)
    conducted.helm.take("site-0/cam.1", Row(THRESHOLD, time_s=1.0, more=0.5))
    assert not conducted.events.rows
