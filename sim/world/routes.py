"""What a camera with a split policy is told of the fleet: sizes, and times beyond its uplink, as configured.

The bandwidth of its own uplink is not told: that is what it measures.
"""

from __future__ import annotations

from sim import wire
from sim.nodes.camera import Camera
from sim.nodes.node import Services
from sim.policies import Route, Sends
from sim.scenario import NodeInstance
from sim.world.plan import Plan

_KIND: dict[Sends, int] = {"scores": wire.SCORES, "features": wire.FEATURES, "raw": wire.RAW}


def route(plan: Plan, services: Services, camera: Camera) -> Route:
    """The route of one camera, whose ports are wired."""
    return _Survey(plan, services, camera).route()


class _Survey:
    """Looks at one camera's way up. All cameras of its gateway are taken to send the same kind of data."""

    def __init__(self, plan: Plan, services: Services, camera: Camera) -> None:
        scenario, inference = plan.scenario, services.inference
        instance = plan.cameras[camera.index]
        self._plan = plan
        self._flops = services.flops
        self._inference = inference
        self._gateway = next((node for node in plan.gateways if node.name == instance.uplink), None)
        above = self._gateway or plan.cloud
        self._latency_s = scenario.link_for(instance.group, above.group).latency_s
        self._back_s = scenario.link_for(above.group, instance.group).latency_s
        raw = inference.raw(services.pictures(max(camera.site, 0), 0), camera.index)
        sizes: dict[Sends, int] = {
            "scores": inference.score_bytes,
            "features": inference.feature_bytes,
            "raw": len(raw),
        }
        self._payload = {sends: sizes[sends] for sends in plan.options(instance)}
        self._link = {
            sends: services.fabric.price(camera.port(_KIND[sends]), size).link_bytes
            for sends, size in self._payload.items()
        }

    def route(self) -> Route:
        """The findings."""
        beyond = {sends: self._latency_s + self._further_s(sends) for sends in self._payload}
        return Route(self._payload, self._link, beyond, self._back_s)

    def _further_s(self, sends: Sends) -> float:
        """From the arrival at the node above the camera to the verdict."""
        gateway, flops, cameras = self._gateway, self._flops, len(self._plan.cameras)
        if gateway is None:
            return self._cloud_s(cameras if sends == "raw" else 0)
        if sends == "scores":
            return self._computes_s(gateway, flops["local"])
        below = len(self._plan.children(gateway.name))
        if self._plan.has_edge:
            raw = below if sends == "raw" else 0
            edge_s = self._computes_s(gateway, flops["edge"] + raw * flops["device"])
            overhead = self._link["features"] - self._payload["features"]
            return edge_s + self._hop_s(gateway, self._inference.edge_bytes + overhead) + self._cloud_s(0)
        return self._hop_s(gateway, below * self._link[sends]) + self._cloud_s(cameras if sends == "raw" else 0)

    def _hop_s(self, gateway: NodeInstance, link_bytes: int) -> float:
        link = self._plan.scenario.link_for(gateway.group, self._plan.cloud.group)
        return link_bytes * 8.0 / link.bandwidth_bps + link.latency_s

    def _cloud_s(self, raw: int) -> float:
        return self._computes_s(self._plan.cloud, self._flops["cloud"] + raw * self._flops["device"])

    def _computes_s(self, node: NodeInstance, flops: float) -> float:
        return flops / self._plan.scenario.profile_of(node.config).flops_per_second
