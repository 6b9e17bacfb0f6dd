"""One site of the fleet on paper: who sends what to whom, and which network that calls for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from sim import wire
from sim.data import Dataset
from sim.ddnn import Aggregate, LossWeights, NetworkSpec, Section, TrainSpec
from sim.errors import UsageError
from sim.policies import FailoverPolicy, RetunePolicy, SelectPolicy, Sends, SplitPolicy
from sim.scenario import NodeInstance, Scenario
from sim.world.detours import Detour, detours

_KINDS: Final[Mapping[Sends, tuple[int, ...]]] = {
    "scores": (wire.SCORES, wire.FEATURES),
    "features": (wire.FEATURES,),
    "raw": (wire.RAW,),
}


class Channel(NamedTuple):
    """One kind of message from one node to others of its site (or the cloud)."""

    src: str
    kind: int
    dsts: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The topology of one site, derived from a scenario."""

    scenario: Scenario

    @cached_property
    def nodes(self) -> tuple[NodeInstance, ...]:
        """All nodes of a site and the cloud."""
        return self.scenario.expanded()

    def role(self, role: str) -> tuple[NodeInstance, ...]:
        """The nodes of one role, in order; the position is the index that messages carry."""
        return tuple(node for node in self.nodes if node.role == role)

    @cached_property
    def cameras(self) -> tuple[NodeInstance, ...]:
        """The cameras of a site."""
        return self.role("camera")

    @cached_property
    def gateways(self) -> tuple[NodeInstance, ...]:
        """The gateways of a site."""
        return self.role("gateway")

    @cached_property
    def cloud(self) -> NodeInstance:
        """The cloud."""
        return self.role("cloud")[0]

    @cached_property
    def has_edge(self) -> bool:
        """Whether gateways run an edge section."""
        return self.scenario.model.edge is not None and bool(self.gateways)

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The cameras of each gateway, by index; cameras that send to the cloud itself form a last group."""
        uplinks = [camera.uplink for camera in self.cameras]
        names = [gateway.name for gateway in self.gateways]
        groups = [tuple(i for i, uplink in enumerate(uplinks) if uplink == name) for name in names]
        direct = tuple(i for i, uplink in enumerate(uplinks) if uplink == self.cloud.name)
        if direct and self.has_edge:
            raise UsageError(
                "with an edge section every camera sends to a gateway; "
                f"{self.cameras[direct[0]].name} sends to {self.cloud.name}"
            )
        return tuple([*groups, direct] if direct else groups)

    def children(self, name: str) -> tuple[str, ...]:
        """The nodes whose uplink is `name`."""
        return tuple(node.name for node in self.nodes if node.uplink == name)

    @property
    def split(self) -> SplitPolicy | None:
        """Who decides what cameras send; None: the protocol."""
        policy = self.scenario.policies.split
        assert policy is None or isinstance(policy, SplitPolicy)
        return policy

    @property
    def select(self) -> SelectPolicy | None:
        """Who decides which cameras are asked for features; None: all are."""
        policy = self.scenario.policies.select
        assert policy is None or isinstance(policy, SelectPolicy)
        return policy

    @property
    def failover(self) -> FailoverPolicy | None:
        """Who takes over from a gateway that has failed; None: nobody."""
        policy = self.scenario.policies.failover
        assert policy is None or isinstance(policy, FailoverPolicy)
        return policy

    @property
    def retune(self) -> RetunePolicy | None:
        """How gateways move their thresholds; None: they do not."""
        policy = self.scenario.policies.retune
        assert policy is None or isinstance(policy, RetunePolicy)
        return policy

    def gateway_options(self, gateway: NodeInstance, index: int) -> dict[str, Any]:
        """What the object of a gateway is made with; `index` is its position among the gateways."""
        assert gateway.config.role == "gateway"
        return {
            "cameras": self.groups[index],
            "has_edge": self.has_edge,
            "wait_s": gateway.config.wait_s,
            "mixed": self.is_mixed(gateway),
            "select": self.select,
        }

    def sends(self, camera: NodeInstance) -> Sends:
        """What follows a capture by the protocol: scores where a gateway has a local exit, else features, or raw."""
        return self.options(camera)[0]

    def options(self, camera: NodeInstance) -> tuple[Sends, ...]:
        """What may follow a capture; more than one thing where a split policy decides."""
        policy = self.split
        if _only_raw(camera):
            return ("raw",)
        if policy is not None and policy.fixed is not None:
            return (policy.fixed,)
        asks = self.scenario.exits.local is not None and camera.uplink != self.cloud.name
        usual: Sends = "scores" if asks else "features"
        if policy is None:
            return (usual,)
        return ("scores", "features", "raw") if asks else ("features", "raw")

    def is_mixed(self, gateway: NodeInstance) -> bool:
        """Whether a gateway hears scores from some cameras and something else from others, for one sample."""
        kinds = {kind for camera in self.cameras if camera.uplink == gateway.name for kind in self.options(camera)}
        return "scores" in kinds and len(kinds) > 1

    @cached_property
    def channels(self) -> tuple[Channel, ...]:
        """Everything that is published in a site, and who subscribes to it."""
        return tuple(self._channels())

    @cached_property
    def lanes(self) -> int:
        """How many lanes a site has, without detours."""
        return sum(len(channel.dsts) for channel in self.channels)

    @cached_property
    def detours(self) -> tuple[Detour, ...]:
        """What would be published around gateways that fail; nothing without a policy."""
        return tuple(detours(self)) if self.failover is not None else ()

    def _channels(self) -> Iterator[Channel]:
        thresholds = self.scenario.exits.thresholds()
        for camera in self.cameras:
            up = (camera.uplink or "",)
            options = self.options(camera)
            kinds = {kind: None for sends in options for kind in _KINDS[sends]}
            for kind in kinds:
                yield Channel(camera.name, kind, up)
            if "device" in thresholds and options != ("raw",):
                yield Channel(camera.name, wire.EXIT, up)
        for gateway in self.gateways:
            yield from self._gateway_channels(gateway, bool(thresholds))
        yield Channel(self.cloud.name, wire.EXIT, self.children(self.cloud.name))

    def _gateway_channels(self, gateway: NodeInstance, exits: bool) -> Iterator[Channel]:
        below = [camera for camera in self.cameras if camera.uplink == gateway.name]
        up = (gateway.uplink or "",)
        sends = {sends for camera in below for sends in self.options(camera)}
        if "scores" in sends:
            yield Channel(gateway.name, wire.REQUEST, tuple(camera.name for camera in below))
        if self.has_edge or sends - {"raw"}:
            yield Channel(gateway.name, wire.FEATURES, up)
        if "raw" in sends and not self.has_edge:
            yield Channel(gateway.name, wire.RAW, up)
        if exits:
            yield Channel(gateway.name, wire.EXIT, up)

    def network(self, dataset: Dataset) -> NetworkSpec:
        """The network that this topology calls for."""
        if len(self.cameras) != dataset.images.shape[1]:
            raise UsageError(
                f"the scenario has {len(self.cameras)} cameras a site, the data set {dataset.name} has "
                f"{dataset.images.shape[1]} views; set nodes.*.count to the number of views"
            )
        model = self.scenario.model
        below = frozenset(self.scenario.exits.thresholds()) - ({"device"} if self._all_raw else set())
        return NetworkSpec(
            cameras=len(self.cameras),
            classes=len(dataset.classes),
            device=Section(model.device.filters, model.device.blocks, model.device.precision),
            cloud=Section(model.cloud.filters, model.cloud.blocks, model.cloud.precision),
            edge=Section(model.edge.filters, model.edge.blocks, model.edge.precision)
            if model.edge is not None and self.has_edge
            else None,
            aggregate=Aggregate(model.aggregate.local, model.aggregate.edge, model.aggregate.cloud),
            groups=self.groups,
            exits=below | {"cloud"},  # type: ignore[arg-type]
            off=self._retrained_without,
        )

    @property
    def _retrained_without(self) -> tuple[int, ...]:
        """Under the policy `retrain`, the network is one that never knew the cameras that are down."""
        scenario = self.scenario
        if scenario.model.missing != "retrain":
            return ()
        off = tuple(i for i, camera in enumerate(self.cameras) if camera.name in scenario.down)
        return off if len(off) < len(self.cameras) else ()  # without any camera there is nothing to train

    @property
    def _all_raw(self) -> bool:
        return all(map(_only_raw, self.cameras))

    def training(self) -> TrainSpec:
        """How that network is trained."""
        training = self.scenario.model.training
        weights = training.loss_weights
        return TrainSpec(
            recipe=training.recipe,
            epochs=training.epochs,
            failout=training.failout,
            seed=self.scenario.seed if training.seed is None else training.seed,
            missing=self.scenario.model.missing,
            loss_weights=LossWeights(weights.device, weights.local, weights.edge, weights.cloud),
            validation=training.validation,
            patience=training.patience,
            calibrate=training.calibrate,
        )


def _only_raw(camera: NodeInstance) -> bool:
    """Whether the scenario's own node says that it sends raw images, whatever the policy."""
    return camera.config.role == "camera" and camera.config.send == "raw"
