"""What network is wanted and how it is to be trained: two frozen values that determine the weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from sim.errors import UsageError

Precision = Literal["binary", "float"]
How = Literal["max", "mean", "concat"]
Exit = Literal["device", "local", "edge", "cloud"]
EXITS: tuple[Exit, ...] = ("device", "local", "edge", "cloud")
IMAGE_SIZE = 32
IMAGE_CHANNELS = 3
MOST_BLOCKS = 5
FIRST_FILTERS = 4
"""Filters of every device block but the last: the published two-block section has 4, then f."""


@dataclass(frozen=True)
class Section:
    """A stack of blocks: convolution 3x3, max-pool 3x3, batch-norm, activation.

    `precision` is that of the weights and of the activations inside the section. What leaves a device or an edge
    section is one sign bit a value either way, so that Eq. 1 holds for all of them.
    """

    filters: int = 4
    blocks: int = 1
    precision: Precision = "binary"


@dataclass(frozen=True)
class Aggregate:
    """How the inputs of several nodes merge at each tier."""

    local: How = "max"
    edge: How = "concat"
    cloud: How = "concat"


@dataclass(frozen=True)
class NetworkSpec:
    """The shape of one distributed network.

    Attributes:
        cameras: number of cameras, V.
        classes: number of classes, |C|.
        device: section on every camera; each block halves the map (32 -> 16 -> 8 ...).
        cloud: section in the cloud; keeps the size of the map.
        edge: section on every gateway, or None; each block halves the map.
        aggregate: how inputs merge at the local exit, the edge and the cloud.
        groups: the cameras of each gateway; one gateway with all cameras unless given.
        exits: the exits that are built and trained; the cloud's always is.
        off: cameras that take no part, neither in training nor after (see `without`).

    Raises:
        UsageError: the parts do not fit together.
    """

    cameras: int
    classes: int = 3
    device: Section = field(default_factory=Section)
    cloud: Section = field(default_factory=lambda: Section(filters=16, blocks=2))
    edge: Section | None = None
    aggregate: Aggregate = field(default_factory=Aggregate)
    groups: tuple[tuple[int, ...], ...] = ()
    exits: frozenset[Exit] = frozenset({"local", "cloud"})
    off: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.groups:
            object.__setattr__(self, "groups", (tuple(range(self.cameras)),))
        object.__setattr__(self, "exits", self.exits | {"cloud"})
        object.__setattr__(self, "off", tuple(sorted(set(self.off))))
        _check(self)

    @property
    def gateways(self) -> int:
        """Number of gateways, G."""
        return len(self.groups)

    @property
    def scored(self) -> bool:
        """Whether cameras compute class scores: some exit needs them."""
        return bool(self.exits & {"device", "local"})

    @property
    def device_filters(self) -> tuple[int, ...]:
        """Filters of each device block."""
        return (FIRST_FILTERS,) * (self.device.blocks - 1) + (self.device.filters,)

    @property
    def device_map(self) -> tuple[int, int, int]:
        """Shape (filters, height, width) of what a camera sends to the cloud or the edge."""
        size = halved(IMAGE_SIZE, self.device.blocks)
        return self.device.filters, size, size

    @property
    def uplink_map(self) -> tuple[int, int, int]:
        """Shape (filters, height, width) of one input of the cloud: a camera's, or with an edge section a gateway's."""
        if self.edge is None:
            return self.device_map
        size = halved(self.device_map[1], self.edge.blocks)
        return self.edge.filters, size, size

    @property
    def uplinks(self) -> tuple[tuple[int, ...], ...]:
        """The cameras behind each input of the cloud."""
        return self.groups if self.edge else tuple((camera,) for camera in range(self.cameras))

    @property
    def score_bytes(self) -> int:
        """Bytes of one score message: 4 |C|, or 0 where cameras compute none."""
        return 4 * self.classes if self.scored else 0

    @property
    def feature_bytes(self) -> int:
        """Bytes of one camera's bit-packed features: f o / 8."""
        return packed_size(self.device_map)

    @property
    def edge_bytes(self) -> int:
        """Bytes of one gateway's bit-packed features, 0 without an edge section."""
        return packed_size(self.uplink_map) if self.edge else 0


def halved(size: int, times: int) -> int:
    """Return the side of a map after `times` max-pools 3x3 with stride 2 and padding 1."""
    for _ in range(times):
        size = (size + 1) // 2
    return size


def packed_size(shape: tuple[int, int, int]) -> int:
    """Return the bytes that a map of sign bits takes."""
    filters, height, width = shape
    return (filters * height * width + 7) // 8


def without(spec: NetworkSpec, cameras: Collection[int]) -> NetworkSpec:
    """Return `spec` with some cameras switched off for good; camera numbers stay.

    `obtain` trains it as a network of the others: the policy `retrain` for missing devices, and what the paper's
    Fig. 8 and Fig. 10 did.
    """
    return replace(spec, off=tuple(sorted({*spec.off, *cameras})))


def section_macs(spec: NetworkSpec) -> dict[str, int]:
    """Multiply-accumulate operations of each section for one input of one node (one gateway, one cloud)."""
    device, size, channels = 0, IMAGE_SIZE, IMAGE_CHANNELS
    for filters in spec.device_filters:
        device += 9 * channels * filters * size * size
        channels, size = filters, halved(size, 1)
    if spec.scored:
        device += channels * size * size * spec.classes
    slots = max(map(len, spec.groups))
    local = slots * spec.classes**2 if "local" in spec.exits and spec.aggregate.local == "concat" else 0
    macs = {"device": device, "local": local}
    if spec.edge:
        wide = channels * (slots if spec.aggregate.edge == "concat" else 1)
        macs["edge"] = _stack_macs(spec.edge, wide, size, 2, spec.classes if "edge" in spec.exits else 0)
    filters, size, _ = spec.uplink_map
    wide = filters * (len(spec.uplinks) if spec.aggregate.cloud == "concat" else 1)
    macs["cloud"] = _stack_macs(spec.cloud, wide, size, 1, spec.classes)
    return macs


def flops(spec: NetworkSpec) -> dict[str, float]:
    """Floating-point operations a section for one input, 2 a multiply-accumulate."""
    return {name: 2.0 * macs for name, macs in section_macs(spec).items()}


def memory_bits(spec: NetworkSpec) -> int:
    """Bits of the parameters of one device section, as the paper counts: the weights, and 32 bits a layer.

    795 f + 64 for one block, 228 f + 204 for two (binary, 3 classes).
    """
    weights, channels = 0, IMAGE_CHANNELS
    for filters in spec.device_filters:
        weights += 9 * channels * filters
        channels = filters
    layers = spec.device.blocks
    head = channels * spec.device_map[1] ** 2 * spec.classes if spec.scored else 0
    wide = 1 if spec.device.precision == "binary" else 32
    return (weights + head) * wide + 32 * (layers + bool(head))


def _stack_macs(section: Section, channels: int, size: int, stride: int, classes: int) -> int:
    macs = 0
    for _ in range(section.blocks):
        macs += 9 * channels * section.filters * size * size
        channels, size = section.filters, halved(size, stride - 1)
    return macs + channels * size * size * classes


def _check(spec: NetworkSpec) -> None:
    if spec.cameras < 1 or spec.classes < 2:
        raise UsageError(f"a network needs a camera and two classes; asked for were {spec.cameras} and {spec.classes}")
    sections: Mapping[str, Section | None] = {"device": spec.device, "edge": spec.edge, "cloud": spec.cloud}
    for name, section in sections.items():
        if section and not (1 <= section.filters <= 256 and 1 <= section.blocks <= MOST_BLOCKS):
            raise UsageError(
                f"model.{name} has {section.filters} filters and {section.blocks} blocks; "
                f"possible are 1 to 256 filters and 1 to {MOST_BLOCKS} blocks"
            )
    grouped = sorted(camera for group in spec.groups for camera in group)
    if grouped != list(range(spec.cameras)) or not all(spec.groups):
        raise UsageError(f"groups {spec.groups} do not hold each of the cameras 0 to {spec.cameras - 1} exactly once")
    if "edge" in spec.exits and spec.edge is None:
        raise UsageError("exits.edge needs an edge section: give model.edge, or leave the exit out")
    if spec.off and not (spec.off[0] >= 0 and spec.off[-1] < spec.cameras > len(spec.off)):
        raise UsageError(f"cannot switch off cameras {spec.off} of {spec.cameras}: one must be left")


@dataclass(frozen=True)
class LossWeights:
    """The weight of each exit in the joint loss (1 each as published)."""

    device: float = 1.0
    local: float = 1.0
    edge: float = 1.0
    cloud: float = 1.0


@dataclass(frozen=True)
class TrainSpec:
    """How the network is trained.

    Attributes:
        recipe: `published` is the paper's recipe to the letter (constant rate, learned batch-norm scales, absent views
            as zeros); `default` adds what makes it work well here.
        epochs: passes over the training samples.
        failout: chance that a camera is left out of a sample's aggregation while training (`default` only).
        seed: of initial weights, batches and failout.
        missing: `mask` leaves missing cameras out of the aggregation; `zero` takes them as black images; `retrain` is
            `mask` for a network that was trained `without` them.
        loss_weights: weight of each exit in the joint loss.
        validation: share of the training samples kept aside, 0 to 0.5.
        patience: stop after so many epochs without a better validation loss and keep the best; None: never.
        calibrate: fit one temperature an exit afterwards (on the validation samples if there are any).
    """

    recipe: Literal["default", "published"] = "default"
    epochs: int = 100
    failout: float = 0.2
    seed: int = 0
    missing: Literal["mask", "zero", "retrain"] = "mask"
    loss_weights: LossWeights = field(default_factory=LossWeights)
    validation: float = 0.0
    patience: int | None = None
    calibrate: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1 or not 0 <= self.failout < 1 or not 0 <= self.validation <= 0.5:
            raise UsageError(
                f"training: epochs {self.epochs}, failout {self.failout}, validation {self.validation}; needed are "
                "at least 1 epoch, failout in [0, 1), validation in [0, 0.5]"
            )
        if self.patience is not None and not self.validation:
            raise UsageError("training.patience watches the validation loss: set training.validation above 0")

    @property
    def zero_filled(self) -> bool:
        """Whether an absent or missing camera counts as a black image rather than being masked out.

        The published recipe knows no masks.
        """
        return self.missing == "zero" or self.recipe == "published"
