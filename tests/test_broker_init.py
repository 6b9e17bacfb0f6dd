"""`fogfleet broker init`: what it writes, for whose eyes, and what it never overwrites."""

from __future__ import annotations

import hashlib
import stat
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest
from click.testing import CliRunner, Result
from world_kit import SCENARIOS

from brokers import hardened, mosquitto, private
from brokers.api import BrokerError
from brokers.hardened import Account, Profile
from sim.cli.app import app

ONE = (Account("site-0/cam", ("fogfleet/+/site-0/cam/#",), ("fogfleet/+/site-0/gw/+",)),)


def init(folder: Path, *more: str) -> Result:
    scenario = str(SCENARIOS / "six_cameras.yaml")
    return CliRunner().invoke(app, ["broker", "init", str(folder), "--scenario", scenario, "--mosquitto", "2.0", *more])


def contents(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def configuration(**options: object) -> list[str]:
    made = hardened.files(Profile(**options), ONE)  # type: ignore[arg-type]
    return made["broker/mosquitto.conf"].decode().splitlines()


def test_every_node_gets_a_folder_and_secrets_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "secure"
    result = init(folder, "--host", "broker.example.org", "--user", "root")
    assert result.exit_code == 0, result.output
    assert {path.name for path in (folder / "nodes").iterdir()} == {
        *(f"site-0.cam.{index}" for index in range(6)), "site-0.gw", "cloud", "operator",
    }  # fmt: skip
    for path in [folder, *folder.rglob("*")]:
        open_to_others = stat.S_IMODE(path.stat().st_mode) & 0o077
        assert not open_to_others or (path.suffix in (".crt", ".conf") and open_to_others == 0o044), path
    passwords = [path.read_text().strip() for path in folder.glob("nodes/*/password")]
    broker_side = b"".join(path.read_bytes() for path in (folder / "broker").iterdir()).decode()
    assert len(set(passwords)) == 9 and not [one for one in passwords if one in broker_side + result.output]
    assert "FOGFLEET_CREDENTIALS=" in result.output and "mqtts://broker.example.org:8883" in result.output


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    folder = tmp_path / "secure"
    assert init(folder, "--user", "root").exit_code == 0
    before = contents(folder)
    again = init(folder, "--user", "root")
    assert again.exit_code == 2 and "--force" in again.output
    assert contents(folder) == before
    assert init(folder, "--user", "root", "--force").exit_code == 0
    after = contents(folder)
    assert before.keys() == after.keys()
    assert before["nodes/cloud/password"] != after["nodes/cloud/password"]
    assert [path.name for path in tmp_path.iterdir()] == ["secure"]


def test_a_cloud_whose_name_would_speak_for_others_gets_no_account(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    text = (SCENARIOS / "six_cameras.yaml").read_text()
    for name in ("site-0", "fleet"):
        nodes = text.replace("  cloud: {role", f"  {name}: {{role").replace("uplink: cloud", f"uplink: {name}")
        path.write_text(nodes.replace("gw->cloud", f"gw->{name}"))
        result = init(tmp_path / "secure", "--scenario", str(path))
        assert (result.exit_code, "could speak for all" in result.output) == (4, True), result.output
        assert not (tmp_path / "secure").exists()


@pytest.mark.parametrize("fails", ["_write", "_swap"])
def test_a_crash_leaves_what_was_there(fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "secure"
    private.write_folder(folder, {"broker/acl": b"old", "nodes/cloud/password": b"old"})
    before = contents(folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private, fails, full)
    with pytest.raises(OSError, match="No space"):
        private.write_folder(folder, {"broker/acl": b"new"}, replace=True)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["secure"]


def test_a_failed_move_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "secure"
    private.write_folder(folder, {"broker/acl": b"old"})
    rename = Path.rename

    def refuses_the_new_one(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuses_the_new_one)
    with pytest.raises(OSError, match="Permission"):
        private.write_folder(folder, {"broker/acl": b"new"}, replace=True)
    assert contents(folder) == {"broker/acl": b"old"}


def test_passwords_are_hashed_as_mosquitto_does() -> None:
    _, kind, rounds, salt, digest = hardened.hashed("pa55w0rd").split("$")
    assert kind == "7" and len(b64decode(salt)) == 12
    assert b64decode(digest) == hashlib.pbkdf2_hmac("sha512", b"pa55w0rd", b64decode(salt), int(rounds))


def test_2_0_and_2_1_get_their_own_options() -> None:
    old = configuration(version="2.0.11")
    assert {"allow_anonymous false", "password_file /mosquitto/config/passwords"} <= {*old}
    assert "acl_file /mosquitto/config/acl" in old
    new = configuration(version="2.1.2", plugins=PurePosixPath("/opt/lib"))
    assert "global_plugin /opt/lib/mosquitto_password_file.so" in new
    assert new[new.index("global_plugin /opt/lib/mosquitto_acl_file.so") + 1] == (
        "plugin_opt_acl_file /mosquitto/config/acl"
    )
    deprecated = ("per_listener_settings", "acl_file", "password_file", "allow_anonymous")
    assert not [line for line in new if line.split()[0] in deprecated]
    assert "listener_allow_anonymous false" in new[new.index("listener 8883") :]
    for lines in (old, new):
        limits = {line.split()[0] for line in lines}
        assert {
            "max_packet_size",
            "max_connections",
            "max_queued_messages",
            "max_queued_bytes",
            "memory_limit",
        } <= limits


def test_the_access_list_uses_a_pattern_where_the_version_honours_it_and_spells_it_out_everywhere() -> None:
    texts = {
        version: hardened.files(Profile(version=version), ONE, "fogfleet/+/%u/#")["broker/acl"].decode().splitlines()
        for version in ("2.0.11", "2.1.2")
    }
    assert "pattern write fogfleet/+/%u/#" in texts["2.0.11"]
    assert not [line for line in texts["2.1.2"] if "%u" in line]
    for lines in texts.values():
        own = lines[lines.index("user site-0/cam") :]
        assert own[1:] == [
            "topic write fogfleet/+/site-0/cam/#", "topic read fogfleet/+/site-0/gw/+", "topic read $SYS/broker/version"
        ]  # fmt: skip


@pytest.mark.parametrize("place", ["lib", "lib64", "lib/mosquitto", "lib/aarch64-linux-gnu/mosquitto"])
def test_plug_ins_are_found_near_the_binary(place: str, tmp_path: Path) -> None:
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "mosquitto_acl_file.so").touch()
    assert mosquitto.plugins(tmp_path / "sbin" / "mosquitto") == tmp_path / place


def test_certificates_take_the_place_of_passwords() -> None:
    made = hardened.files(Profile(auth="certificate", version="2.1"), ONE)
    lines = made["broker/mosquitto.conf"].decode().splitlines()
    assert {"require_certificate true", "use_identity_as_username true"} <= {*lines[lines.index("listener 8883") :]}
    assert "broker/passwords" not in made and not [line for line in lines if "password" in line]
    assert {name.partition("site-0.cam/")[2] for name in made if "nodes" in name} == {
        "ca.crt", "client.crt", "client.key",
    }  # fmt: skip
    assert made["nodes/site-0.cam/client.key"].startswith(b"-----BEGIN PRIVATE KEY-----")


def test_without_tls_there_are_no_certificates_and_a_warning(tmp_path: Path) -> None:
    result = init(tmp_path / "plain", "--no-tls", "--user", "root")
    assert "can be read on the way" in result.stderr and "mqtt://localhost:1883" in result.stdout
    assert not [name for name in contents(tmp_path / "plain") if name.endswith((".crt", ".key"))]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--no-tls", "--auth", "certificate"], 4, "client certificates need TLS"),
        (["--mosquitto", "1.6"], 2, "write e.g. 2.0 or 2.1"),
        (["--host", "höst"], 4, "no host name"),
        (["--at", "/a b"], 4, "no path with spaces"),
        (["--scenario", "absent.yaml"], 3, "absent.yaml"),
        (["--user", "nobody-of-this-name"], 2, "no user"),
    ],
)
def test_what_cannot_be_is_said(words: list[str], code: int, says: str, tmp_path: Path) -> None:
    result = init(tmp_path / "secure", *words)
    if "--user" in words and result.exit_code == 0:
        pytest.skip("only root gives folders away")
    assert (result.exit_code, says in result.output) == (code, True), result.output
    assert not list(tmp_path.iterdir())


def test_without_mosquitto_the_version_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mosquitto, "find", lambda: None)
    result = init(tmp_path / "secure", "--mosquitto", "auto")
    assert result.exit_code == 2 and "--mosquitto 2.0 or 2.1" in result.output


def test_names_that_a_broker_would_misread_are_refused() -> None:
    for name in ("a#b", "a+b", "%u", "a b", "a:b", "a/b/c", "/a", "a/", "../a", "x" * 65):
        with pytest.raises(BrokerError, match="no account for a broker"):
            hardened.files(Profile(), [Account(name, (), ())])
    with pytest.raises(BrokerError, match="share the account 'cam'"):
        hardened.files(Profile(), [Account("cam", (), ())] * 2)


def test_the_doctor_tells_for_how_long_one_can_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.cli import checks

    assert (checks._credentials().status, checks._credentials().remedy) == ("absent", "fogfleet broker init")
    assert init(tmp_path / "long", "--user", "root").exit_code == 0
    assert init(tmp_path / "short", "--user", "root", "--days", "3", "--auth", "certificate").exit_code == 0
    for name, status in (("long", "ok"), ("short", "absent"), ("nowhere", "absent")):
        monkeypatch.setenv("FOGFLEET_CREDENTIALS", str(tmp_path / name))
        check = checks._credentials()
        assert check.status == status
        assert ("9 accounts" in check.found) == (name != "nowhere")
    assert "--force" not in check.remedy and "is no folder" in check.found
