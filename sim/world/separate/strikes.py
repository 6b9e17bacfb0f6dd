"""Faults of a scenario on real processes: SIGKILL, SIGSTOP, and a broker that dies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from brokers.server import Server
from sim.errors import SetupError, UsageError
from sim.faults import Engine
from sim.faults.base import NodeFault
from sim.faults.entries import fault_name
from sim.faults.kinds.broker import BrokerKill, BrokerPause
from sim.faults.kinds.device import Crash, Pause
from sim.faults.machinery import NoMachinery
from sim.nodes.lanes import Message
from sim.nodes.node import Node
from sim.scenario import Fault, Scenario
from sim.world.fleet import Fleet, full_name
from sim.world.separate.processes import Crew

KINDS: Final = (Crash, Pause, BrokerKill, BrokerPause)


class Strikes(NoMachinery):
    """The processes of a run in the hands of its faults, in place of a model's machinery.

    Args:
        crew: the processes here.
        server: the broker's process; None: somebody else's.
        fleet: as the conductor has it; faults take its nodes down and up.
        goes_on: whether samples are still due, so that coming back is worth while.
    """

    def __init__(self, crew: Crew, server: Server | None, fleet: Fleet, goes_on: Callable[[], bool]) -> None:
        self._crew = crew
        self._server = server
        self._names = {node.client: full_name(node) for node in fleet.nodes}
        self._goes_on = goes_on
        self._kills = self._pauses = 0
        self._frozen: set[str] = set()

    def watch(self, fleet: Fleet) -> None:
        """Sees nodes stand still, beside whoever watches them already."""
        for node in fleet.nodes:
            node.watcher = self._beside(node.watcher)

    def _beside(self, other: Callable[[Node], None] | None) -> Callable[[Node], None]:
        def changed(node: Node) -> None:
            self._freeze(node)
            if other is not None:
                other(node)

        return changed

    def _freeze(self, node: Node) -> None:
        """SIGSTOP or SIGCONT, where a fault has made a node stand still or go on."""
        name = full_name(node)
        if node.paused and name not in self._frozen:
            self._frozen.add(name)
            self._crew.pause(name)
        elif not node.paused and name in self._frozen:
            self._frozen.remove(name)
            self._crew.resume(name)

    def reset(self, clients: Sequence[int], arriving: Sequence[Message]) -> None:
        """SIGKILL."""
        for client in clients:
            self._crew.kill(self._names[client])

    def reconnect(self, clients: Sequence[int]) -> None:
        """New processes for those that were killed."""
        if self._goes_on():
            self._crew.revive([self._names[client] for client in clients])

    def look_after_broker(self) -> None:
        """Raises `SetupError` if our own broker has ended, and no fault has killed it."""
        if self._server is not None and not self._kills and not self._server.alive:
            raise SetupError(f"the broker ({self._server.name}) has ended in mid-run; nothing can be gathered any more")

    def kill(self) -> None:
        """SIGKILL of the broker, unless it is dead already."""
        self._kills += 1
        if self._kills == 1:
            self._own().kill()

    def restart(self) -> None:
        """Starts the broker again, once nothing wants it dead any more."""
        self._kills -= 1
        if not self._kills:
            self._own().restart()
            if self._pauses:
                self._own().pause()

    def pause(self, arriving: Sequence[Message]) -> None:
        """SIGSTOP of the broker."""
        self._pauses += 1
        if self._pauses == 1 and not self._kills:
            self._own().pause()

    def resume(self) -> None:
        """SIGCONT, once nothing wants it to stand still any more."""
        self._pauses -= 1
        if not self._pauses and not self._kills:
            self._own().resume()

    def _own(self) -> Server:
        assert self._server is not None, "`refuse` has seen to that"
        return self._server


class ProcessEngine(Engine):
    """The faults of a run of separate processes, by the scenario or by hand."""

    elsewhere: Collection[str] = ()
    own_broker: bool = True

    def check(self, fault: Fault) -> None:
        """Raises `UsageError` for a target that is no process of ours."""
        for target in self._equipment.view.find(fault) if isinstance(fault.effect, NodeFault) else ():
            if target.name in self.elsewhere:
                raise UsageError(f"{target.name} runs elsewhere: its process cannot be killed or stopped from here")

    def inject(self, fault: Fault) -> str:
        """As every engine; only what can be done to processes."""
        refuse([fault], own_broker=self.own_broker)
        self.check(fault)
        return super().inject(fault)


def refuse(faults: Sequence[Fault], *, own_broker: bool) -> None:
    """Raises `UsageError` for the first fault that cannot be done to separate processes."""
    for number, fault in enumerate(faults):
        kind = fault.effect
        why = ""
        if not isinstance(kind, KINDS):
            why = "separate processes know " + ", ".join(one.name() for one in KINDS)
        elif isinstance(kind, Crash) and kind.memory == "kept":
            why = "a process that is killed keeps no memory"
        elif fault.when is not None:
            why = "nobody sees the load of separate processes"
        elif isinstance(kind, BrokerKill | BrokerPause) and not own_broker:
            why = "the broker is not our own process"
        if why:
            name = f"faults.{number} ({fault_name(fault, number)})"
            raise UsageError(f"{name}: {why}; remove it, or use fogfleet run --mode live")


def refuse_what_needs_one_process(scenario: Scenario, broker: str) -> None:
    """Raises `UsageError` for a scenario with something that separate processes cannot have."""
    if scenario.mqtt.connections is not None:
        raise UsageError("mqtt.connections: separate processes have a connection each; remove it")
    refuse(scenario.faults, own_broker="://" not in broker)
