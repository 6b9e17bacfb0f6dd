"""The parts of a scenario that stand alone: data, network, exits, MQTT, tariffs, hardware profiles."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from sim.scenario.types import (
    Compute,
    Duration,
    Energy,
    FileName,
    GridText,
    ImportName,
    MqttVersion,
    Part,
    Period,
    Power,
    Seed,
    Text,
    Threshold,
    matching,
)

DEVICE, LOCAL, EDGE, CLOUD = "device", "local", "edge", "cloud"
Merge = Literal["max", "mean", "concat"]


class Multiview(Part):
    """The embedded data set: generated scenes seen by several cameras."""

    kind: Literal["multiview"]
    seed: Seed = 0
    """Seed of the scenes; independent of the seed of the scenario."""
    train: Annotated[int, Field(ge=1, le=1_000_000)] = 680
    """Number of training samples."""
    test: Annotated[int, Field(ge=1, le=1_000_000)] = 171
    """Number of test samples, the ones that a run captures."""
    cameras: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Number of views; without it, the number of cameras of a site."""


class Mvmc(Part):
    """A multi-view file in the layout of MVMC.npz: `X` (N, 6, 3, 32, 32), `y` (N, 6), 3 = absent view."""

    kind: Literal["mvmc"]
    path: FileName
    """The .npz file; relative to the current folder or to the scenario."""
    split: FileName | None = None
    """Permutation file; without it the `split` array of the file, else its own order, 680 for training."""


class Folder(Part):
    """Images in a folder, one subfolder a class."""

    kind: Literal["folder"]
    path: FileName
    """The folder; relative to the current folder or to the scenario."""


class Partition(Part):
    """Single images cut into a grid of parts, one part a camera."""

    kind: Literal["partition"]
    source: FileName = "digits"
    """`digits` (scikit-learn), or an .npz file with `X` and `y`."""
    grid: GridText = "2x3"
    """Rows x columns; their product is the number of cameras."""

    @property
    def shape(self) -> tuple[int, int]:
        """The grid as (rows, columns)."""
        rows, columns = self.grid.split("x")
        return int(rows), int(columns)


class CustomData(Part):
    """Data from a function of your own, called with the options."""

    kind: Literal["custom"]
    load: ImportName
    """`module:function`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the function."""


def _custom(value: object) -> object:
    """`my.module:load` is short for `{kind: custom, load: my.module:load}`."""
    if isinstance(value, str):
        form = "^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"
        check = matching(form, "a data set; write {kind: multiview}, or a function such as 'my.module:load'")
        return {"kind": "custom", "load": check(value)}
    return value


DataKind = Annotated[Multiview | Mvmc | Folder | Partition | CustomData, Field(discriminator="kind")]
Data = Annotated[DataKind, BeforeValidator(_custom)]


class Section(Part):
    """The part of the network that runs on one role."""

    filters: Annotated[int, Field(ge=1, le=256)]
    """Number of filters of the last block."""
    blocks: Annotated[int, Field(ge=1, le=5)]
    """Number of blocks: convolution, pooling, batch-norm, sign."""
    precision: Literal["binary", "float"] = "binary"
    """Weights and activations of one bit, or of 32."""


class DeviceSection(Section):
    """What a camera computes."""

    filters: Annotated[int, Field(ge=1, le=256)] = 4
    """Number of filters of the last block: what a camera sends up."""
    blocks: Annotated[int, Field(ge=1, le=5)] = 1
    """Number of blocks; each halves the size of the feature map."""


class EdgeSection(Section):
    """What a gateway computes on the features of its cameras."""

    filters: Annotated[int, Field(ge=1, le=256)] = 8
    """Number of filters of the last block: what a gateway sends up."""
    blocks: Annotated[int, Field(ge=1, le=5)] = 1
    """Number of blocks."""


class CloudSection(Section):
    """What the cloud computes on everything that arrived."""

    filters: Annotated[int, Field(ge=1, le=256)] = 16
    """Number of filters of each block."""
    blocks: Annotated[int, Field(ge=1, le=5)] = 2
    """Number of blocks."""


class Aggregate(Part):
    """How the inputs of several nodes merge at each exit."""

    local: Merge = "max"
    """Class scores of the cameras, at a gateway."""
    edge: Merge = "concat"
    """Feature maps of the cameras, at a gateway with an edge section."""
    cloud: Merge = "concat"
    """Feature maps, at the cloud."""


class LossWeights(Part):
    """Weight of each exit in the joint training loss."""

    device: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    local: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    edge: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    cloud: Annotated[float, Field(ge=0, le=1e6)] = 1.0


class Training(Part):
    """How the network is trained."""

    recipe: Literal["default", "published"] = "default"
    """`published` repeats the paper's training exactly; `default` adds what makes it robust."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Passes over the training samples."""
    failout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Probability that a camera is left out of a training sample (recipe `default` only)."""
    seed: Seed | None = None
    """Seed of weights and batches; without it, the seed of the scenario."""
    loss_weights: LossWeights = LossWeights()
    """Weight of each exit in the joint loss."""
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Share of the training samples that is kept aside: for thresholds, early stopping and calibration; at most 0.5."""
    patience: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Stop after so many epochs without progress on the validation share."""
    calibrate: bool = False
    """Scale the temperature of each exit on the validation share."""

    @model_validator(mode="after")
    def _validation_is_there(self) -> Training:
        if self.validation == 0 and (self.patience is not None or self.calibrate):
            which = "calibrate" if self.calibrate else "patience"
            raise ValueError(f"'{which}' needs validation samples; add e.g. 'validation: 0.1'")
        return self


class Model(Part):
    """The distributed network."""

    device: DeviceSection = DeviceSection()
    """The section on each camera."""
    edge: EdgeSection | None = None
    """The section on each gateway; without it gateways forward features."""
    cloud: CloudSection = CloudSection()
    """The section in the cloud."""
    aggregate: Aggregate = Aggregate()
    """How the inputs of several nodes merge."""
    missing: Literal["mask", "zero", "retrain"] = "mask"
    """A node that did not send takes no part, counts as zeros, or a network without it is trained."""
    training: Training = Training()
    """How the network is trained."""


class Exits(Part):
    """Thresholds: a sample leaves where its normalised entropy is below; an exit that is absent does not exist."""

    device: Threshold | None = None
    """On each camera."""
    local: Threshold | None = None
    """On the gateway, from merged class scores."""
    edge: Threshold | None = None
    """On the gateway, after the edge section."""

    def thresholds(self) -> dict[str, float]:
        """The exits that exist below the cloud, from the lowest up, with their thresholds."""
        found = {DEVICE: self.device, LOCAL: self.local, EDGE: self.edge}
        return {name: threshold for name, threshold in found.items() if threshold is not None}


class Mqtt(Part):
    """How messages cross the broker."""

    qos: Literal[0, 1, 2] = 1
    """Quality of service of every message."""
    version: MqttVersion = "5"
    """Protocol version to ask for: 5 or 3.1.1."""
    patience_s: Duration = Field(default=10.0, alias="patience")
    """How long (wall clock) to wait for a message that should come before it counts as a divergence."""
    retry_s: Period = Field(default=0.05, alias="retry")
    """After how long a lost message of QoS 1 or 2 is sent again on its link."""
    durable: bool = False
    """Let the broker keep its state on disk."""
    connections: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Connections that all nodes but the cloud share; without it each node has one of its own."""


class Tariffs(Part):
    """Prices, in a currency of your own."""

    per_mb: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """Per megabyte (10^6 bytes) sent."""
    per_joule: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """Per joule."""
    per_cloud_second: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """Per second that the cloud computes."""
    per_device_month: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """Per device and month of 30 days."""


class OwnRadio(Part):
    """A radio of your own."""

    joules_per_byte: Energy = Field(alias="per_byte")
    """Energy for sending one byte."""
    source: Text = ""
    """Where the figure comes from."""


class Hardware(Part):
    """A hardware profile of your own."""

    flops_per_second: Compute = Field(alias="compute")
    """Sustained computing speed."""
    idle_w: Power = Field(alias="idle")
    """Power while waiting."""
    busy_w: Power = Field(alias="busy")
    """Power while computing."""
    source: Text = ""
    """Where the figures come from."""
