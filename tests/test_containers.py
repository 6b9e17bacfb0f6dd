"""The compose file's three fleets: commands that exist, containers that may do little, a bridge to the cloud."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click
import pytest
from brokers_kit import needs_mosquitto
from ruamel.yaml import YAML
from world_kit import small

from brokers import mosquitto
from brokers.api import Identity
from brokers.client import Pool
from brokers.credentials import folder_name
from sim import wire
from sim.cli.app import app
from sim.world.fleet import identities
from sim.world.plan import Plan

ROOT = Path(__file__).parents[1]
FLEET = ["cam-0", "cam-1", "cam-2", "cam-3", "cam-4", "cam-5", "gateway", "cloud", "report"]
PREFIXES = {"plain": "", "secure": "secure-", "bridge": "bridge-"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "docker-compose.yml")["services"]
    return found


def test_a_plain_up_starts_the_plain_fleet(services: dict[str, Any]) -> None:
    assert (ROOT / ".env").read_text().splitlines()[-1] == "COMPOSE_PROFILES=plain"
    started = {name for name, service in services.items() if "plain" in service["profiles"]}
    assert started == {"network", "broker", *FLEET}
    for profile, prefix in PREFIXES.items():
        for name in FLEET:
            assert services[prefix + name]["profiles"] == [profile]


def test_every_container_may_do_as_little_as_possible(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"] and "privileged" not in service, name
        assert service["user"] == "${FOGFLEET_USER:-1000:1000}" and "ports" not in service, name
        assert service["image"].partition(":")[0] in ("fogfleet", "eclipse-mosquitto"), name
        assert name in ("network", "locksmith") or "test" in service["healthcheck"], name
        written = [volume for volume in service["volumes"] if not volume.endswith(":ro")]
        shared = {"networks:/var/cache/fogfleet", "./runs:/fogfleet/runs", "./secrets:/secrets"}
        assert set(written) <= shared, name


def test_all_commands_are_ones_that_exist(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if service["image"] != "fogfleet":
            continue
        words = [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", word) for word in service["command"]]
        group: click.Group = app
        while isinstance(command := group.commands[words.pop(0)], click.Group):
            group = command
        command.make_context(name, words, parent=click.Context(app))


def test_the_job_on_the_kubernetes_page_runs_every_shard_once() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    job = YAML(typ="safe", pure=True).load(page.partition("```yaml\n")[2].partition("```")[0])
    (container,) = job["spec"]["template"]["spec"]["containers"]
    shards = []
    for index in range(job["spec"]["completions"]):
        shell = [*container["command"], container["args"][0].replace("exec fogfleet", "echo")]
        environment = {"JOB_COMPLETION_INDEX": str(index), "PATH": os.environ["PATH"]}
        ran = subprocess.run(shell, capture_output=True, text=True, check=True, env=environment)
        words = ran.stdout.split()
        app.commands[words[0]].make_context("sweep", words[1:], parent=click.Context(app))
        shards.append(words[words.index("--shard") + 1])
    assert shards == [f"{number}/16" for number in range(1, 17)]


def test_every_node_of_the_scenario_has_its_container_in_every_fleet(services: dict[str, Any]) -> None:
    plan = Plan(small())
    wanted = {folder_name(identity.account) for identity in identities(plan, "r")}
    for prefix in PREFIXES.values():
        nodes = [services[prefix + name]["command"] for name in FLEET[:-1]]
        assert {command[command.index("--node") + 1] for command in nodes} == wanted


def test_a_secured_node_sees_its_own_credentials_only(services: dict[str, Any]) -> None:
    for name in FLEET:
        service = services[f"secure-{name}"]
        (own,) = [volume for volume in service["volumes"] if "secrets" in volume]
        command = service["command"]
        account = command[command.index("--node") + 1] if name != "report" else "operator"
        assert own == f"./secrets/fleet/nodes/{account}:/credentials/{account}:ro"
        assert service["environment"] == {"FOGFLEET_CREDENTIALS": "/credentials"}
        assert "mqtts://secure-broker:8883" in command


# -- the bridge


class SiteBroker(mosquitto.Server):
    """Mosquitto with the bridge's configuration file; only addresses are changed."""

    def __init__(self, cloud_port: int) -> None:
        super().__init__()
        self._cloud_port = cloud_port

    def _command(self, folder: Path) -> list[str]:
        text = (ROOT / "docker" / "bridge.conf").read_text()
        assert "listener 1883\n" in text and "address cloud-broker:1883\n" in text
        text = text.replace("listener 1883\n", f"listener {self.port} 127.0.0.1\n")
        text = text.replace("address cloud-broker:1883\n", f"address 127.0.0.1:{self._cloud_port}\n")
        own = ["user root"] if os.geteuid() == 0 else []
        head = "\n".join([*own, f"log_dest file {folder / 'mosquitto.log'}", "log_type all"])
        path = folder / "bridge.conf"
        path.write_text(f"{head}\n{text}")
        return [str(self._binary), "-c", str(path)]


def crosses(sender: Pool, receiver: Pool, index: int, topic: str, payload: bytes) -> bool:
    """Whether it comes within a minute; both sides write out what they have collected."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        sender.take(0, "nothing", b"comes", 0.001)
        if receiver.take(index, topic, payload, 0.02) is not None:
            return True
    return False


@needs_mosquitto
def test_features_and_exits_cross_the_bridge_and_scores_stay_at_the_site() -> None:
    plan = Plan(small())
    fleet = identities(plan, "b")
    site, cloud = fleet[:-1], fleet[-1]
    gateway = next(index for index, one in enumerate(site) if one.account == "site-0/gw")
    with mosquitto.Server() as far, SiteBroker(far.port) as near:
        below, above = Pool(near.url), Pool(far.url)
        watcher = Identity("watcher", "fogfleet/b/watcher/watcher/status", b"", ("fogfleet/b/#",))
        above.connect([cloud, watcher])
        below.connect(site)
        status = wire.topic("b", "site-0", "gw", wire.STATUS)
        assert crosses(below, above, 1, status, b"online"), "births are retained, so they come when the bridge is there"
        scores = wire.topic("b", "site-0", "cam.0", wire.SCORES)
        features = wire.topic("b", "site-0", "gw", wire.FEATURES)
        verdict = wire.topic("b", "site-0", "cloud", wire.EXIT)
        for number in range(20):
            payload = f"sample {number}".encode()
            below.publish(0, scores, payload, 1)
            assert below.take(gateway, scores, payload, 60)
            below.publish(gateway, features, payload, 1)
            assert crosses(below, above, 0, features, payload)
            above.publish(0, verdict, payload, 1)
            assert crosses(above, below, gateway, verdict, payload)
        heard = [topic for receiver, topic, _ in above.unclaimed() if receiver == 1 and "/site-0/" in topic]
        crossed = {topic.rpartition("/")[2] for topic in heard}
        twice = [payload for receiver, topic, payload in above.unclaimed() if topic == features and receiver == 0]
        below.close()
        assert above.take(1, status, b"", 60) is not None, "a node that leaves leaves there, too"
        above.close()
    assert crossed == {"features", "exit", "status"}
    assert not twice


# -- the health check of nodes


def test_a_node_is_healthy_while_it_is_connected() -> None:
    script = [sys.executable, str(ROOT / "docker" / "connected.py")]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert subprocess.run([*script, str(port)], check=False).returncode == 1, "listening is not being connected"
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=lambda: accepted.append(listener.accept()[0]))
        thread.start()
        with socket.create_connection(("127.0.0.1", port)):
            thread.join()
            assert subprocess.run([*script, str(port)], check=False).returncode == 0
        accepted[0].close()
    deadline = time.monotonic() + 30
    while subprocess.run([*script, str(port)], check=False).returncode == 0:
        assert time.monotonic() < deadline
