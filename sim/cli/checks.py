"""What `fogfleet doctor` looks at: each check says what is there, what is missing and how to get it."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata, util
from pathlib import Path
from typing import Final, Literal

from brokers import authority, choose, mosquitto
from brokers.api import BrokerError
from brokers.credentials import FolderKeyring, open_keyring
from sim.cache import cache_dir
from sim.cli import show

Status = Literal["ok", "absent", "missing"]
FREE_BYTES: Final = 1 << 28
SOON_DAYS: Final = 30
"""A certificate that expires sooner is worth a word."""
EXTRAS: Final = {
    "amqtt": ("embedded broker, for machines without Mosquitto", "embedded"),
    "sklearn": ("handwritten digits as data", "digits"),
    "distributed": ("sweeps on a Dask cluster", "distributed"),
    "tornado": ("web page of a run", "serve"),
    "onnxscript": ("export of float sections as ONNX", "onnx"),
}


@dataclass(frozen=True)
class Check:
    """One finding; `absent` is something one can do without, `missing` something one cannot."""

    name: str
    status: Status
    found: str
    remedy: str = ""


def everything() -> list[Check]:
    """All checks, in the order in which they are shown."""
    extras = (_extra(name) for name in EXTRAS)
    return [
        _python(),
        _libraries(),
        _torch(),
        _broker(),
        _mosquitto(),
        _credentials(),
        *extras,
        _files(),
        _disk(),
        _cache(),
    ]


def as_text(checks: Sequence[Check]) -> str:
    """One line a check, and a line with the remedy where something lacks."""
    return "\n".join(line for check in checks for line in _lines(check))


def as_json(checks: Sequence[Check]) -> str:
    """`{"ok": bool, "checks": [...]}`."""
    healthy = all(check.status != "missing" for check in checks)
    return show.as_json({"ok": healthy, "checks": [asdict(check) for check in checks]})


def _lines(check: Check) -> Iterator[str]:
    yield f"{check.status:<8}{check.name:<12}{check.found}"
    if check.remedy:
        yield f"{'':<20}-> {check.remedy}"


def _python() -> Check:
    return Check("python", "ok", f"{platform.python_version()} in {sys.prefix}")


def _libraries() -> Check:
    try:
        version, required = metadata.version("fogfleet"), metadata.requires("fogfleet") or []
    except metadata.PackageNotFoundError:
        return Check("fogfleet", "missing", "not installed as a package", "make setup, or pip install .")
    names = [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in required if "extra ==" not in text]
    lacking = [name for name in names if not _installed(name)]
    if lacking:
        return Check("fogfleet", "missing", f"{version} lacks {', '.join(lacking)}", f"pip install {' '.join(lacking)}")
    return Check("fogfleet", "ok", f"{version} with all of its {len(names)} libraries")


def _torch() -> Check:
    """Loads torch: one that is installed and does not load is the commonest trouble with it."""
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        return Check("torch", "missing", f"does not load: {error}", "make setup, or pip install torch")
    return Check("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads")


def _broker() -> Check:
    """Sends one message through the broker that a run would get."""
    try:
        answer = choose.probe()
    except (BrokerError, OSError) as error:
        return Check("broker", "missing", "none answers", str(error))
    trip = f"a message there and back in {1000 * answer.round_trip_s:.1f} ms"
    return Check("broker", "ok", f"runs use {answer.name} {answer.version}, MQTT {answer.protocol}; {trip}")


def _credentials() -> Check:
    """What we would enter somebody's broker with, and for how long its certificates still hold."""
    try:
        keyring = open_keyring(tls=True)
        if not isinstance(keyring, FolderKeyring):
            named = os.environ.get("FOGFLEET_MQTT_USERNAME")
            found = f"every node enters as {named!r}" if named else "none: nodes enter anonymously"
            return Check("credentials", "ok" if named else "absent", found, "" if named else "fogfleet broker init")
        accounts = keyring.accounts()
        ends = min((authority.ends(path) for path in keyring.certificates()), default=None)
    except (BrokerError, OSError, ValueError) as error:
        return Check("credentials", "absent", str(error), "fogfleet broker init")
    told = f"{len(accounts)} accounts in {keyring.folder}" + (f", until {ends:%Y-%m-%d}" if ends else "")
    if ends and ends - datetime.now(UTC) < timedelta(days=SOON_DAYS):
        return Check("credentials", "absent", told, "fogfleet broker init --force makes new certificates")
    return Check("credentials", "ok", told)


def _mosquitto() -> Check:
    binary = mosquitto.find()
    if binary is None:
        return Check("mosquitto", "absent", "not found", mosquitto.MISSING)
    try:
        return Check("mosquitto", "ok", f"{mosquitto.version_of(binary)} at {binary}")
    except BrokerError as error:
        return Check("mosquitto", "absent", f"{binary} does not run", str(error))


def _extra(module: str) -> Check:
    what, extra = EXTRAS[module]
    if util.find_spec(module) is not None:
        return Check(extra, "ok", what)
    return Check(extra, "absent", f"no {what}", f"pip install 'fogfleet[{extra}]'")


def _files() -> Check:
    try:
        resource = importlib.import_module("resource")
    except ImportError:
        return Check("files", "ok", "this system has no limit that can be asked for")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = "any number of" if hard == resource.RLIM_INFINITY else f"about {max(0, hard - 100)}"
    return Check("files", "ok", f"{room} MQTT connections at once")


def _disk() -> Check:
    return _room("disk", Path.cwd(), "for run folders here", "change to another folder, or use --out")


def _cache() -> Check:
    try:
        stored = {room: list(cache_dir(room).glob("[!.]*")) for room in ("networks", "data")}
        size = sum(path.stat().st_size for files in stored.values() for path in files)
        folder = cache_dir()
    except OSError as error:
        return Check("cache", "missing", str(error), "set FOGFLEET_CACHE to a folder that can be written")
    told = f"{len(stored['networks'])} networks and {len(stored['data'])} data sets, {size / 1e6:.0f} MB in {folder};"
    check = _room("cache", folder, told, "set FOGFLEET_CACHE to another folder")
    if check.status == "ok" and not stored["networks"]:
        return Check("cache", "ok", check.found, "the first run trains its network; `fogfleet train` does it before")
    return check


def _room(name: str, folder: Path, what: str, otherwise: str) -> Check:
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        return Check(name, "missing", f"{folder} cannot be written", otherwise)
    found = f"{what} {free / 1e9:.1f} GB free"
    return (
        Check(name, "ok", found) if free >= FREE_BYTES else Check(name, "missing", found, f"make room; or {otherwise}")
    )


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
