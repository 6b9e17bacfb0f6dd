"""What a fault kind is: a small frozen model with one effect, in the shape of its layer.

======================  ========================================  ===========================
base class              effect                                    targets
======================  ========================================  ===========================
`SensorFault`           `apply(frame, ctx)` -> changed frame      cameras
`ModelFault`            `apply(output, ctx)` -> changed output    cameras, gateways, the cloud
`MessageFault`          `around(message, forward, ctx)`           messages of nodes and links
`LinkFault`             `inject(link, ctx)`, a context manager    links
`NodeFault`             `inject(node, ctx)`, a context manager    nodes
`BrokerFault`           `inject(broker, ctx)`, a context manager  the broker
======================  ========================================  ===========================

When and to whom is not the kind's business: schedules and targets belong to the core.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sim.nodes.inference import Inference
from sim.nodes.lanes import Message
from sim.registry import Plugin

if TYPE_CHECKING:
    from sim.faults.context import Context
    from sim.faults.handles import LinkHandle, NodeHandle
    from sim.faults.machinery import BrokerHandle

Image = NDArray[np.uint8]
"""One camera frame, `(3, height, width)`."""

Need = Literal["scores", "weights", "features"]
Layer = Literal["sensor", "model", "message", "link", "device", "gateway", "broker", "security"]


@dataclass(frozen=True, slots=True)
class Output:
    """What a section of the network computed: of a camera, of a gateway (at the local or edge exit), of the cloud.

    Attributes:
        scores: 4|C| bytes, float32; empty where no exit needs them.
        features: bit-packed feature map; empty where the section makes none.
        absent: the camera sees nothing.
        by: what another network makes of the same input.
    """

    scores: bytes
    features: bytes
    absent: bool
    by: Callable[[Inference], Output]


class Forward(Protocol):
    """Lets a message go on: as it is or changed (`message.with_frame(...)`), now or after `delay_s`.

    To be called before `around` returns. The first call is the message itself, every further one a copy of it;
    a message that is not forwarded is lost, with the name of the fault as the reason.
    """

    def __call__(self, message: Message, delay_s: float = 0.0) -> None: ...


class FaultKind(Plugin):
    """Base of all kinds. Subclasses set `layer` and `example` and declare `kind: Literal["name"]` without a default."""

    layer: ClassVar[Layer]
    example: ClassVar[str]
    """A whole entry of `faults:`, as one writes it in a scenario."""


class SensorFault(FaultKind):
    """Changes what a camera sees."""

    layer: ClassVar[Layer] = "sensor"

    @abstractmethod
    def apply(self, frame: Image, ctx: Context) -> Image:
        """The frame to see instead of `frame`, which may be changed in place."""
        raise NotImplementedError


class ModelFault(FaultKind):
    """Changes what a camera, a gateway or the cloud computes."""

    layer: ClassVar[Layer] = "model"
    needs: ClassVar[Need] = "scores"
    """What a node must have so that this can happen to it: weights of its own, or features that it makes."""

    @abstractmethod
    def apply(self, output: Output, ctx: Context) -> Output:
        """The output to use instead of `output`."""
        raise NotImplementedError


class MessageFault(FaultKind):
    """Does something to single messages."""

    layer: ClassVar[Layer] = "message"

    @abstractmethod
    def around(self, message: Message, forward: Forward, ctx: Context) -> None:
        """Calls `forward` zero, one or more times."""
        raise NotImplementedError


class LinkFault(FaultKind):
    """Changes a link for a time."""

    layer: ClassVar[Layer] = "link"

    @abstractmethod
    def inject(self, link: LinkHandle, ctx: Context) -> AbstractContextManager[Any]:
        """Entering the returned context manager injects, leaving it heals."""
        raise NotImplementedError


class NodeFault(FaultKind):
    """Does something to a camera, a gateway or the cloud for a time."""

    layer: ClassVar[Layer] = "device"
    roles: ClassVar[tuple[str, ...]] = ("camera", "gateway", "cloud")
    """Roles of the nodes that this can happen to."""

    @abstractmethod
    def inject(self, node: NodeHandle, ctx: Context) -> AbstractContextManager[Any]:
        """Entering the returned context manager injects, leaving it heals."""
        raise NotImplementedError


class BrokerFault(FaultKind):
    """Does something to the broker for a time. The target is `broker`, or the clients that it is about."""

    layer: ClassVar[Layer] = "broker"

    @abstractmethod
    def inject(self, broker: BrokerHandle, ctx: Context) -> AbstractContextManager[Any]:
        """Entering the returned context manager injects, leaving it heals."""
        raise NotImplementedError


SHAPES: tuple[type[FaultKind], ...] = (SensorFault, ModelFault, MessageFault, LinkFault, NodeFault, BrokerFault)
Action = Callable[[], object]
