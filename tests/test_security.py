"""A hardened Mosquitto lets every node be itself and nobody else, and what it refuses is told in plain words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from brokers_kit import needs_mosquitto
from click.testing import CliRunner, Result
from security_kit import SECOND, Hardened, hardened_broker, second
from world_kit import SCENARIOS, SMALL, digest, record, small

from brokers import mosquitto
from brokers.api import BrokerError, Identity
from brokers.authority import Authority
from brokers.client import Pool
from brokers.credentials import folder_name
from brokers.hardened import Account
from sim import wire, world
from sim.cli.app import app
from sim.world.accounts import OPERATOR, accounts

pytestmark = needs_mosquitto
KINDS = ("scores", "features", "exit", "status", "control")
SIX = str(SCENARIOS / "six_cameras.yaml")


@pytest.fixture(scope="module")
def two_sites() -> tuple[Account, ...]:
    return accounts(small("six_cameras", "sites=2"))


@pytest.fixture(scope="module", params=["found", SECOND])
def binary(request: pytest.FixtureRequest) -> Path:
    """Every Mosquitto that is here."""
    path = second() if request.param == SECOND else mosquitto.find()
    if path is None:
        pytest.skip(f"{SECOND} names no second Mosquitto")
    return path


@pytest.fixture(scope="module")
def by_password(
    tmp_path_factory: pytest.TempPathFactory, two_sites: tuple[Account, ...], binary: Path
) -> Iterator[Hardened]:
    with hardened_broker(tmp_path_factory.mktemp("password"), two_sites, binary) as broker:
        yield broker


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(days=2)


@pytest.fixture(scope="module")
def by_certificate(
    tmp_path_factory: pytest.TempPathFactory, two_sites: tuple[Account, ...], binary: Path, authority: Authority
) -> Iterator[Hardened]:
    folder = tmp_path_factory.mktemp("certificate")
    with hardened_broker(folder, two_sites, binary, auth="certificate", authority=authority) as broker:
        yield broker


@pytest.fixture(scope="module")
def after_an_upgrade(
    tmp_path_factory: pytest.TempPathFactory, two_sites: tuple[Account, ...], binary: Path
) -> Iterator[Hardened]:
    """A later Mosquitto that was started with a profile for 2.0."""
    if mosquitto.numbers(mosquitto.version_of(binary)) < (2, 1):
        pytest.skip(f"this one is {mosquitto.version_of(binary)}")
    with hardened_broker(tmp_path_factory.mktemp("upgrade"), two_sites, binary, version="2.0.11") as broker:
        yield broker


@pytest.fixture(params=["by_password", "by_certificate", "after_an_upgrade"])
def secure(request: pytest.FixtureRequest, binary: Path, monkeypatch: pytest.MonkeyPatch) -> Hardened:
    """Each kind of broker of each version, with all its accounts at hand."""
    broker: Hardened = request.getfixturevalue(request.param)
    monkeypatch.setenv("FOGFLEET_CREDENTIALS", str(broker.folder))
    return broker


def own_topics(account: str) -> str:
    """The topics on which an account publishes as itself, without run and kind."""
    return account if "/" in account else f"{account}/{account}"


def identity(account: str, run: str, *subscriptions: str) -> Identity:
    home = f"fogfleet/{run}/{own_topics(account)}"
    return Identity(f"{run}-{account}", f"{home}/status", b"offline", subscriptions, account)


def nodes(made: tuple[Account, ...]) -> list[str]:
    return [account.name for account in made if account.name != OPERATOR]


# -- who may do what


def test_a_node_publishes_on_its_own_topics_and_on_no_other(secure: Hardened, two_sites: tuple[Account, ...]) -> None:
    names = nodes(two_sites)
    assert len(names) == 2 * 7 + 1
    pool = Pool(secure.url)
    fleet = [identity(name, "acl") for name in names]
    operator = identity(OPERATOR, "acl", "fogfleet/acl/+/+/+")
    pool.connect(
        [*fleet, Identity(operator.client_id, "fogfleet/acl/x/y/control", b"", operator.subscriptions, OPERATOR)]
    )
    forged = refused = 0
    for (index, name), other in product(enumerate(names), names):
        if name == other:
            continue
        kind = KINDS[forged % len(KINDS)]
        forged += 1
        pool.publish(index, f"fogfleet/acl/{own_topics(other)}/{kind}", b"forged", 1)
        with pytest.raises(BrokerError, match=rf"refuses a publish on .*/{kind}'.*not authorised.*access control list"):
            pool.take(index, "nothing", b"comes", 30)
        refused += 1
    for index, name in enumerate(names):
        pool.publish(index, f"fogfleet/acl/{own_topics(name)}/scores", f"I am {name}".encode(), 1)
    for name in names:
        assert pool.take(len(names), f"fogfleet/acl/{own_topics(name)}/scores", f"I am {name}".encode(), 30)
    births = {f"fogfleet/acl/{own_topics(name)}/status" for name in names} | {"fogfleet/acl/x/y/control"}
    strange = [(topic, payload) for _, topic, payload in pool.unclaimed() if topic not in births]
    pool.close()
    assert forged == refused == 15 * 14
    assert not strange


def test_the_pattern_alone_lets_a_node_publish_as_itself_and_on_later_versions_not_at_all(
    tmp_path: Path, binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["site-0/cam.0", "site-1/cam.0", "site-0/gw"]
    with hardened_broker(tmp_path, [Account(name, (), ()) for name in names], binary, version="2.0.11") as broker:
        monkeypatch.setenv("FOGFLEET_CREDENTIALS", str(broker.folder))
        pool = Pool(broker.url)
        fleet = [identity(name, "alone") for name in names]
        if mosquitto.numbers(mosquitto.version_of(binary)) >= (2, 1):
            with pytest.raises(BrokerError, match=r"refuses a publish on .*/status'.*not authorised"):
                pool.connect(fleet)
                pool.take(0, "nothing", b"comes", 30)
            pool.close()
            return
        pool.connect(fleet)
        for (index, name), home in product(enumerate(names), [*names, "cloud/cloud", "fleet/conductor"]):
            assert publishes(pool, index, f"fogfleet/alone/{home}/request/gw.1") == (name == home), (name, home)
        pool.close()


def publishes(pool: Pool, index: int, topic: str) -> bool:
    """Whether the broker takes it."""
    pool.publish(index, topic, b"x", 1)
    deadline = time.monotonic() + 30
    try:
        while pool._connections[index].in_flight():
            assert time.monotonic() < deadline
            pool.take(index, "nothing", b"comes", 0.01)
    except BrokerError as error:
        assert "not authorised" in str(error)
        return False
    return True


def test_a_node_hears_only_those_it_works_with(by_password: Hardened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGFLEET_CREDENTIALS", str(by_password.folder))
    speakers = ["site-0/cam.0", "site-0/gw", "site-1/gw", "cloud"]
    listener = identity("site-0/cam.1", "ears", "fogfleet/ears/+/+/exit")
    pool = Pool(by_password.url)
    pool.connect([*(identity(name, "ears") for name in speakers), listener])
    for index, name in enumerate(speakers):
        pool.publish(index, f"fogfleet/ears/{own_topics(name)}/exit", name.encode(), 1)
    deadline = time.monotonic() + 30
    while any(connection.in_flight() for connection in pool._connections) and time.monotonic() < deadline:
        pool.take(4, "nothing", b"comes", 0.01)
    pool.publish(3, "fogfleet/ears/site-0/cloud/exit", b"to site 0", 1)
    assert pool.take(4, "fogfleet/ears/site-0/cloud/exit", b"to site 0", 30), "and what was sent before is here, too"
    heard = {payload for _, _, payload in pool.unclaimed()}
    pool.close()
    assert heard == {b"site-0/gw"}, "its own gateway and the cloud's messages for its site, nobody else"


def test_a_packet_above_the_limit_is_refused_before_it_is_sent(secure: Hardened) -> None:
    pool = Pool(secure.url)
    pool.connect([identity("site-0/gw", "large")])
    with pytest.raises(BrokerError, match=r"above the 1048576 bytes that mqtts://.*raise max_packet_size"):
        pool.publish(0, "fogfleet/large/site-0/gw/raw", bytes(1 << 20), 1)
    pool.publish(0, "fogfleet/large/site-0/gw/raw", bytes(1000), 1)
    assert pool.take(0, "nothing", b"comes", 0.05) is None, "the connection lives on"
    pool.close()


# -- who may enter


def run(broker: Hardened, folder: Path, *more: str) -> Result:
    settings = [word for setting in SMALL for word in ("--set", setting)]
    return CliRunner().invoke(app, ["run", SIX, "--broker", broker.url, "-o", str(folder), *settings, *more])


def refused(broker: Hardened, folder: Path) -> str:
    """What a run says that is not let in; it must end with exit code 4."""
    result = run(broker, folder / "runs")
    assert result.exit_code == 4, result.output
    assert "Traceback" not in result.output
    return result.stderr


def test_without_a_name_nobody_enters(
    by_password: Hardened, by_certificate: Hardened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for broker, says in ((by_password, "Not authorized"), (by_certificate, "it refuses our certificate, misses one")):
        monkeypatch.setenv("FOGFLEET_MQTT_CAFILE", str(broker.folder / "broker/ca.crt"))
        said = refused(broker, tmp_path)
        assert says in said and "FOGFLEET_CREDENTIALS" in said


def test_a_wrong_password_is_refused_and_shown_nowhere(
    by_password: Hardened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(by_password.folder / "nodes", copy)
    for path in copy.glob("*/password"):
        path.write_text("hunter2hunter2")
    monkeypatch.setenv("FOGFLEET_CREDENTIALS", str(copy))
    said = refused(by_password, tmp_path)
    assert "Not authorized" in said and "FOGFLEET_CREDENTIALS" in said
    told = [path for path in (tmp_path / "runs").rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert list((tmp_path / "runs").rglob("run.json")) and not told
    assert "hunter2" not in said + by_password.log()


def test_an_account_that_is_not_there_is_named(
    by_password: Hardened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(by_password.folder / "nodes" / "cloud", tmp_path / "copy" / "cloud")
    monkeypatch.setenv("FOGFLEET_CREDENTIALS", str(tmp_path / "copy"))
    assert "no folder 'site-0.cam.0' (it has: cloud); run `fogfleet broker init`" in refused(by_password, tmp_path)


def test_an_expired_certificate_is_refused_on_either_side(
    by_certificate: Hardened,
    authority: Authority,
    two_sites: tuple[Account, ...],
    binary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    yesterday = datetime.now(UTC) - timedelta(seconds=30)
    for name in nodes(two_sites):
        own = tmp_path / "expired" / folder_name(name)
        shutil.copytree(by_certificate.folder / "nodes" / own.name, own)
        made = authority.client(name, ends=yesterday)
        (own / "client.crt").write_bytes(made.certificate)
        (own / "client.key").write_bytes(made.key)
    monkeypatch.setenv("FOGFLEET_CREDENTIALS", str(tmp_path / "expired"))
    said = refused(by_certificate, tmp_path)
    assert (
        "it refuses our certificate, misses one" in said
        and "expired" in said
        and "fogfleet broker init --force" in said
    )

    old = Authority(days=1, begins=datetime.now(UTC) - timedelta(days=9))
    with hardened_broker(tmp_path, two_sites, binary, authority=old) as broker:
        monkeypatch.setenv("FOGFLEET_CREDENTIALS", str(broker.folder))
        said = refused(broker, tmp_path)
    assert "not to be trusted" in said and "expired" in said and "--force --host" in said


def test_another_fleets_certificate_is_refused(
    by_certificate: Hardened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Authority(days=2).client("site-0/cam.0")
    own = tmp_path / "copy" / "site-0.cam.0"
    shutil.copytree(by_certificate.folder / "nodes/site-0.cam.0", own)
    (own / "client.crt").write_bytes(stranger.certificate)
    (own / "client.key").write_bytes(stranger.key)
    monkeypatch.setenv("FOGFLEET_CREDENTIALS", str(tmp_path / "copy"))
    pool = Pool(by_certificate.url)
    with pytest.raises(BrokerError, match="it refuses our certificate, misses one"):
        pool.connect([identity("site-0/cam.0", "stranger")])
    pool.close()


# -- a run


def test_a_run_decides_the_same_as_without_a_broker(secure: Hardened, tmp_path: Path) -> None:
    plain = world.simulate(small(), mode="virtual", out=tmp_path)
    locked = world.simulate(small(), mode="lockstep", broker=secure.url, out=tmp_path)
    assert locked.exit_code == 0
    assert digest(locked.folder, "decisions.parquet") == digest(plain.folder, "decisions.parquet")
    assert record(locked.folder)["broker"]["version"].startswith("mosquitto version"), "nodes may read the version"


def test_no_secret_reaches_a_run_folder_a_log_or_a_process_list(by_password: Hardened, tmp_path: Path) -> None:
    secrets = [secret.encode() for secret in by_password.secrets()]
    assert len(secrets) == 16 and min(map(len, secrets)) > 40
    settings = [word for setting in SMALL for word in ("--set", setting)]
    command = [sys.executable, "-c", "from sim.cli import main; main()", "run", SIX, "--broker", by_password.url]
    environment = {**os.environ, "FOGFLEET_CREDENTIALS": str(by_password.folder)}
    process = subprocess.Popen(
        [*command, "-o", str(tmp_path / "runs"), "--report", *settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
    )
    seen = set()
    while process.poll() is None:
        for pid in (process.pid, by_password.pid):
            seen.add(Path(f"/proc/{pid}/cmdline").read_bytes())
        time.sleep(0.02)
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    assert process.returncode in (0, 1), said.decode()
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    texts = [said, by_password.log().encode(), *seen, *(path.read_bytes() for path in files)]
    assert any(path.name == "report.html" for path in files) and any(b"fogfleet" in text for text in texts)
    assert not [secret for secret, text in product(secrets, texts) if secret in text]


@pytest.mark.parametrize(
    "words", ["sweep", "up", "serve", "watch", "node --node cam.0", "fuzz"], ids=lambda w: w.split()[0]
)
def test_every_command_refuses_a_password_in_the_url(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command, *more = words.split()
    result = CliRunner().invoke(app, [command, SIX, *more, "--broker", "mqtt://cam:hunter2@localhost:1883"])
    assert result.exit_code == 4 and "may not hold a user or password" in result.stderr, result.output
    assert "hunter2" not in result.output and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://cam:hunter2@localhost:1883",
        "mqtts://hunter2@localhost",
        "mqtts://cam:hun/ter2@localhost",
        "cam:hunter2@localhost",
        "mqtt://cam:hunter2@local@host:1883",
    ],
)
def test_a_password_in_the_url_is_refused_before_anything_is_written(url: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", SIX, "--broker", url, "-o", str(tmp_path / "runs")])
    assert result.exit_code == 4
    assert "may not hold a user or password" in result.stderr and "FOGFLEET_CREDENTIALS" in result.stderr
    assert "ter2" not in result.output
    assert not (tmp_path / "runs").exists()


def test_a_password_in_the_words_of_a_command_is_struck_out_of_its_record(tmp_path: Path) -> None:
    words = [
        "fogfleet",
        "run",
        "--broker=mqtt://cam:hunter2@host:1883",
        "mqtts://cam:hun/ter2@host",
        "a.b=c",
        "cam->gw",
    ]
    folder = world.simulate(small(), mode="virtual", out=tmp_path, argv=words).folder
    assert record(folder)["argv"] == [
        "fogfleet",
        "run",
        "--broker=mqtt://***@host:1883",
        "mqtts://***@host",
        *words[4:],
    ]


def test_every_kind_of_message_that_a_fleet_sends_is_allowed() -> None:
    """The access list gives each node exactly the topics that the plan wires, for every built-in topology."""
    from sim.world.fleet import identities
    from sim.world.plan import Plan
    from sim.world.separate import names

    for path in sorted(SCENARIOS.glob("*.yaml")):
        scenario = world.load(path)
        rights = {account.name: account for account in accounts(scenario)}
        plan = Plan(scenario)
        for node in identities(plan, "r"):
            account = rights[node.account]
            assert _allowed(node.will_topic, account.writes), (path.name, node)
            for topic in node.subscriptions:
                assert _allowed(topic.replace("/+/", "/site-0/"), account.reads), (path.name, node, topic)
        conductor = names.conductor_identity("r")
        operator = rights[conductor.account]
        assert _allowed(conductor.will_topic, operator.writes) and _allowed(names.control_topic("r"), operator.writes)
        assert all(_allowed(topic.replace("+", "x"), operator.reads) for topic in conductor.subscriptions)
        for name in names.names(plan):
            station = names.station_identity(plan, "r", name)
            heard = [topic.replace("/+/", "/site-0/") for topic in station.subscriptions]
            assert all(_allowed(topic, rights[station.account].reads) for topic in heard), station
            assert _allowed(names.home_topic("r", name, wire.LEDGER), rights[station.account].writes), station
        for channel in plan.channels:
            home = "cloud" if channel.src == plan.cloud.name else f"site-0/{channel.src}"
            name = plan.cloud.name if home == "cloud" else home
            topic = wire.topic("r", "site-0", channel.src, channel.kind)
            assert _allowed(topic, rights[name].writes), (path.name, channel)


def _allowed(topic: str, filters: tuple[str, ...]) -> bool:
    from paho.mqtt.client import topic_matches_sub

    return any(topic_matches_sub(one, topic) for one in filters)
