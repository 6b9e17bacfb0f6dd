"""Broker processes of our own: found, started, stopped, and never left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from brokers_kit import WAIT_S, TunedMosquitto, alive, fleet, inbox, needs_mosquitto, within

from brokers import embedded, lifeline, mosquitto
from brokers import server as servers
from brokers.api import BrokerError
from brokers.choose import open_carrier, probe
from brokers.client import Pool

ROOT = Path(__file__).parents[1]


def child(script: str, runtime: Path, *, new_session: bool = False) -> tuple[subprocess.Popen[str], int, Path]:
    """A Python process that starts a Mosquitto and prints its number and folder."""
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=new_session,
    )
    assert process.stdout is not None
    pid, folder = process.stdout.readline().split()
    return process, int(pid), Path(folder)


# -- a Mosquitto's life


@needs_mosquitto
def test_start_restart_stop() -> None:
    server = mosquitto.Server()
    server.start()
    pid, port, folder = server.pid, server.port, server.folder
    assert alive(pid) and folder.stat().st_mode & 0o777 == 0o700
    assert server.version == mosquitto.version_of(mosquitto.find() or Path())
    server.kill()
    assert not alive(pid) and not server.alive
    with pytest.raises(BrokerError, match="not running"):
        server.kill()
    server.restart()
    assert server.port == port and server.pid != pid
    server.restart()  # in good order
    server.pause()
    server.stop()
    server.stop()
    assert not folder.exists()


@needs_mosquitto
def test_a_port_that_is_taken_meanwhile_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    free = servers._free_port
    with mosquitto.Server() as first:
        ports = iter([first.port, first.port])
        monkeypatch.setattr(servers, "_free_port", lambda: next(ports, None) or free())
        with mosquitto.Server() as second:
            assert second.port != first.port
            assert second.pid != first.pid


@needs_mosquitto
def test_no_free_port_is_an_error_with_the_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(servers, "_free_port", lambda: taken.getsockname()[1])
        with pytest.raises(BrokerError, match=r"(?s)ended with exit code.*the end of its log.*in use"):
            mosquitto.Server().start()
    assert not list(tmp_path.glob("*/server-*")), "nothing is left behind"


@needs_mosquitto
def test_a_bad_configuration_is_an_error_with_the_log() -> None:
    with pytest.raises(BrokerError, match=r"(?s)the end of its log.*no_such_option"):
        TunedMosquitto("no_such_option 1").start()


@needs_mosquitto
def test_a_broker_unpacked_beside_python_is_found_and_gets_its_libraries(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = mosquitto.find()
    assert real is not None
    root = tmp_path / "opt" / "mosquitto" / "usr"
    (root / "sbin").mkdir(parents=True)
    (root / "lib" / "x86_64-linux-gnu").mkdir(parents=True)
    shutil.copy2(real, root / "sbin" / "mosquitto")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(mosquitto, "_SBIN", ())
    monkeypatch.setenv("PATH", "/nowhere")
    found = mosquitto.find()
    assert found == root / "sbin" / "mosquitto"
    assert str(root / "lib" / "x86_64-linux-gnu") in mosquitto.environment(found)["LD_LIBRARY_PATH"].split(":")
    monkeypatch.undo()
    with mosquitto.Server(binary=found) as server:
        assert alive(server.pid)


@pytest.mark.parametrize(
    ("version", "has", "lacks"),
    [
        ("1.6.9", ["max_queued_messages 0"], ["max_packet_size"]),
        ("2.0.11", ["max_queued_messages 0", "set_tcp_nodelay true"], ["max_packet_size", "user"]),
        ("2.1.2", ["max_packet_size 268435455"], ["per_listener_settings", "user"]),
    ],
)
def test_the_configuration_fits_the_version(version: str, has: list[str], lacks: list[str]) -> None:
    lines = mosquitto.configuration(version, 1, Path("/x"), durable=False, root=False).splitlines()
    assert set(has) <= set(lines)
    assert not [line for line in lines if line.split()[0] in lacks]


def test_durable_and_root_have_their_lines_and_old_versions_are_refused() -> None:
    text = mosquitto.configuration("2.0.11", 1, Path("/x"), durable=True, root=True)
    assert "persistence true" in text and "autosave_interval 1\n" in text and "user root" in text
    with pytest.raises(BrokerError, match=r"install 1\.6 or later"):
        mosquitto.configuration("1.4.15", 1, Path("/x"), durable=False, root=False)


# -- nothing is left behind


@needs_mosquitto
def test_a_killed_parent_leaves_no_orphan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import time; from brokers.mosquitto import Server\n"
        "server = Server(); server.start(); print(server.pid, server.folder, flush=True); time.sleep(60)"
    )
    process, pid, folder = child(script, tmp_path)
    assert alive(pid)
    process.kill()
    process.wait()
    assert within(WAIT_S, lambda: not alive(pid))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert folder.exists()
    assert lifeline.reap() == [], "the kernel had done it already"
    assert not folder.exists()
    process.communicate()


@needs_mosquitto
def test_an_orphan_of_another_thread_is_killed_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import threading, time; from brokers.mosquitto import Server\n"
        "server = Server(); thread = threading.Thread(target=server.start); thread.start(); thread.join()\n"
        "print(server.pid, server.folder, flush=True); time.sleep(60)"
    )
    process, pid, folder = child(script, tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert lifeline.reap() == [] and alive(pid), "its parent lives"
    process.kill()
    process.wait()
    assert alive(pid), "only the main thread's brokers die with it"
    with mosquitto.Server() as server:
        assert within(WAIT_S, lambda: not alive(pid))
        assert not folder.exists() and alive(server.pid)
    process.communicate()


@needs_mosquitto
def test_ctrl_c_does_not_reach_the_broker_before_we_stop_it(tmp_path: Path) -> None:
    script = (
        "import time; from brokers.mosquitto import Server\n"
        "with Server() as server:\n"
        "    try:\n"
        "        print(server.pid, server.folder, flush=True)\n"
        "        time.sleep(60)\n"
        "    except KeyboardInterrupt: time.sleep(0.2); print(server.alive, flush=True)"
    )
    process, pid, folder = child(script, tmp_path, new_session=True)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=WAIT_S)
    assert output.strip() == "True"
    assert not alive(pid) and not folder.exists()


@pytest.mark.parametrize("difference", ["command line", "start time", "namespace"])
def test_the_reaper_touches_only_what_it_recognises(
    difference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = lifeline.runtime_folder() / "server-test"
    folder.mkdir()
    argument = "/elsewhere/x" if difference == "command line" else f"{folder}/x"
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", argument])
    try:
        lifeline.write_state(folder, bystander.pid)
        state = json.loads((folder / "state.json").read_text())
        state |= {"parent": 2**22 + 1, "parent_start": "1"}
        if difference == "start time":
            state["pid_start"] = "1"
        if difference == "namespace":
            state["namespace"] = "pid:[1]"
        (folder / "state.json").write_text(json.dumps(state))
        assert lifeline.reap() == []
        assert bystander.poll() is None
        assert folder.exists() == (difference == "namespace")
    finally:
        bystander.kill()
        bystander.wait()


def test_the_reaper_leaves_an_unfinished_start_alone_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    young, old = (lifeline.runtime_folder() / f"server-{name}" for name in ("young", "old"))
    young.mkdir()
    old.mkdir()
    os.utime(old, (1, 1))
    lifeline.reap()
    assert young.exists() and not old.exists()


def test_a_runtime_folder_of_somebody_else_s_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / f"fogfleet-{os.getuid()}").symlink_to("/")
    with pytest.raises(BrokerError, match="not a private folder"):
        lifeline.reap()


@needs_mosquitto
def test_servers_from_many_threads_at_once() -> None:
    started = [mosquitto.Server() for _ in range(6)]
    threads = [threading.Thread(target=server.start) for server in started]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({server.port for server in started}) == 6
    for server in started:
        server.stop()


# -- the choice


def test_memory_needs_no_broker() -> None:
    with open_carrier("memory", version="3.1.1") as carrier:
        assert (carrier.name, carrier.protocol) == ("memory", 4)
    assert probe("memory").name == "memory"


@needs_mosquitto
def test_auto_takes_mosquitto_and_a_url_names_its_version() -> None:
    with open_carrier("auto") as carrier:
        assert isinstance(carrier, Pool) and carrier.name == "mosquitto" and carrier.server is not None
        url = carrier.server.url
        with open_carrier(url) as guest:
            guest.connect(fleet(1))
            assert guest.name == "mqtt" and guest.version == f"mosquitto version {carrier.version}"
        found = probe(url)
        assert found.protocol == "5" and found.round_trip_s > 0
    with pytest.raises(BrokerError, match="cannot reach"):
        probe(url)


def test_without_any_broker_the_error_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mosquitto, "find", lambda: None)
    monkeypatch.setattr(embedded, "installed", lambda: False)
    with pytest.raises(BrokerError, match=r"apt-get install mosquitto.*pip install"), open_carrier("auto"):
        pass
    with pytest.raises(BrokerError, match="apt-get install mosquitto"), open_carrier("mosquitto"):
        pass
    with pytest.raises(BrokerError, match=r"pip install 'fogfleet\[embedded\]'"), open_carrier("embedded"):
        pass


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ("rabbit", "'rabbit' is no broker"),
        ("http://localhost", "no broker's URL"),
        ("mqtt://localhost:notaport", "no broker's URL"),
        ("mqtt://", "no broker's URL"),
        ("mqtt://localhost/topic", "no broker's URL"),
        ("mqtt://user:secret@localhost", "may not hold a user or password"),
    ],
)
def test_a_bad_choice_is_an_error_that_shows_the_right_form(choice: str, says: str) -> None:
    with pytest.raises(BrokerError, match=says) as caught, open_carrier(choice):
        pass
    assert "secret" not in str(caught.value)


def test_a_bad_version_is_an_error() -> None:
    with pytest.raises(BrokerError, match=r"write '5' or '3\.1\.1'"), open_carrier("memory", version="4"):
        pass


# -- the embedded broker

needs_amqtt = pytest.mark.skipif(not embedded.installed(), reason="amqtt is not installed")


@needs_amqtt
def test_auto_falls_back_to_the_embedded_broker_with_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mosquitto, "find", lambda: None)
    notices: list[str] = []
    with open_carrier("auto", notice=notices.append) as carrier:
        assert any("apt-get install mosquitto" in notice for notice in notices)
        assert any("MQTT 3.1.1" in notice for notice in notices)
        identities = fleet(6)
        carrier.connect(identities)
        assert carrier.protocol == 4 and carrier.version.startswith("amqtt ")
        for qos in (0, 1, 2):
            for number in range(300):
                carrier.publish(number % 5, inbox(identities[5]), b"%d %d" % (qos, number), qos)
            for number in range(300):
                assert carrier.take(5, inbox(identities[5]), b"%d %d" % (qos, number), WAIT_S)
        assert carrier.leftovers(0) == 0
        assert isinstance(carrier, Pool) and carrier.server is not None
        server, folder = carrier.server, carrier.server.folder
        carrier.announce_outage()
        server.kill()
        carrier.publish(0, inbox(identities[5]), b"kept", 1)
        server.restart()
        carrier.reconnect()
        assert carrier.take(5, inbox(identities[5]), b"kept", WAIT_S)
    assert not folder.exists() and not server.alive


@needs_amqtt
def test_the_pool_finds_out_by_itself_that_the_embedded_broker_does_not_speak_mqtt_5() -> None:
    notices: list[str] = []
    with embedded.Server() as server:
        pool = Pool(server.url, version="amqtt", notice=notices.append, patience_s=0.5)
        pool.connect(fleet(2))
        assert pool.protocol == 4 and len(notices) == 1
        pool.close()


@needs_amqtt
def test_the_embedded_broker_is_not_durable() -> None:
    with pytest.raises(BrokerError, match="durable needs Mosquitto"):
        embedded.Server(durable=True)
