"""The workbench of one worker: data, trained networks and their answers, kept from point to point."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sim import data, ddnn
from sim.scenario import Scenario
from sim.sweep.points import data_name
from sim.world import Prepared, curve
from sim.world.plan import Plan

Kept = TypeVar("Kept")
MAX_KEPT: Final = 4
"""Data sets, networks and inferences kept at a time; a point that needs another takes the place of the oldest."""

MAX_AHEAD: Final = 2_000
"""Pictures judged before they are asked for; the inference forgets the first ones beyond ten times as many."""


class _Shelf:
    """A few things by name, the least recently used going first."""

    def __init__(self) -> None:
        self._things: OrderedDict[Any, Any] = OrderedDict()

    def get(self, name: Any, make: Callable[[], Kept]) -> Kept:
        if name in self._things:
            self._things.move_to_end(name)
        else:
            self._things[name] = make()
            if len(self._things) > MAX_KEPT:
                self._things.popitem(last=False)
        thing: Kept = self._things[name]
        return thing


class Bench:
    """What points of a sweep share within one process."""

    def __init__(self) -> None:
        self._data = _Shelf()
        self._networks = _Shelf()
        self._inferences = _Shelf()
        self._cameras = _Shelf()
        self._ready: set[object] = set()

    def prepared(self, scenario: Scenario) -> Prepared:
        """As `world.prepare`, with data and network from the shelf where they are.

        Raises:
            DataError, UsageError: as there.
        """
        plan = Plan(scenario)
        cameras, base = scenario.cameras, scenario.path.parent
        name = data_name(scenario)
        dataset = self._data.get(name, lambda: data.load(scenario.data, cameras=cameras, base=base))
        spec, training = plan.network(dataset), plan.training()
        network = self._networks.get(
            (spec, training, dataset.sha256), lambda: ddnn.obtain(spec, training, dataset, progress=None)
        )
        return Prepared(plan, dataset, network)

    def inference(self, prepared: Prepared) -> ddnn.Inference:
        """The network's answers, with all that it has answered before; those that the point will ask for are ready."""
        found = self._inferences.get(_names(prepared), lambda: prepared.network.inference(prepared.dataset))
        test, scenario = prepared.dataset.test, prepared.scenario
        down = tuple(i for i, camera in enumerate(prepared.plan.cameras) if camera.name in scenario.down)
        pictures = test[: min(len(test), _shown(prepared), MAX_AHEAD)]
        name = (*_names(prepared), down, len(pictures))
        if name not in self._ready:
            found.prefetch(pictures, down)
            self._ready.add(name)
        return found

    def per_camera(self, prepared: Prepared) -> dict[str, float | None]:
        """Accuracy of each camera alone on the pictures that a run shows."""
        names = tuple(camera.name for camera in prepared.plan.cameras)

        def make() -> dict[str, float | None]:
            return curve.per_camera(prepared, curve.table(prepared, self.inference(prepared)))

        return self._cameras.get((*_names(prepared), _shown(prepared), names), make)


def _shown(prepared: Prepared) -> int:
    """How many pictures a run shows, the same one counted again in every site."""
    return prepared.scenario.sites * prepared.samples


def _names(prepared: Prepared) -> tuple[str, str]:
    return prepared.network.sha256, prepared.dataset.sha256
