"""What `fogfleet doctor` looks at: each check says what is there, what is missing and how to get it."""

from __future__ import annotations

import json
import os
import platform
import shutil
from dataclasses import asdict, dataclass
from importlib import metadata, util
from typing import Final, Literal

Status = Literal["ok", "absent", "missing"]
FREE_BYTES: Final = 1 << 30
EXTRAS: Final = {
    "amqtt": ("embedded broker", "embedded"),
    "sklearn": ("handwritten digits as data", "digits"),
    "distributed": ("sweeps on a Dask cluster", "distributed"),
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
    return [_python(), _torch(), _broker(), _disk(), _files(), *(_extra(name) for name in EXTRAS)]


def as_text(found: list[Check]) -> str:
    """One line a check, and a line with the remedy where something lacks."""
    lines = []
    for check in found:
        lines.append(f"{check.status:<8}{check.name:<12}{check.found}")
        if check.remedy:
            lines.append(f"{'':<20}-> {check.remedy}")
    return "\n".join(lines)


def as_json(found: list[Check]) -> str:
    """The checks as a JSON list."""
    return json.dumps([asdict(check) for check in found], indent=2)


def _python() -> Check:
    return Check("python", "ok", f"{platform.python_version()} on {platform.platform()}")


def _torch() -> Check:
    try:
        return Check("torch", "ok", metadata.version("torch"))
    except metadata.PackageNotFoundError:
        return Check("torch", "missing", "not installed", "make setup, or pip install torch")


def _broker() -> Check:
    from brokers.api import BrokerError
    from brokers.choose import probe

    try:
        answer = probe("auto")
    except BrokerError as error:
        return Check("broker", "missing", "none answers", str(error))
    return Check(
        "broker", "ok", f"{answer.name} {answer.version}, MQTT {answer.protocol}, {1000 * answer.round_trip_s:.1f} ms"
    )


def _disk() -> Check:
    from sim.cache import cache_dir

    folder = cache_dir()
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    told = f"{free / 1e9:.0f} GB free, networks and data are kept in {folder}"
    if writable and free >= FREE_BYTES:
        return Check("disk", "ok", told)
    return Check("disk", "missing", told, "make room, or set FOGFLEET_CACHE to a folder that can be written")


def _files() -> Check:
    if util.find_spec("resource") is None:
        return Check("files", "absent", "this system has no limit that can be asked for")
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = "any number of" if hard == resource.RLIM_INFINITY else f"about {max(0, hard - 100)}"
    return Check("files", "ok", f"{room} MQTT connections at once")


def _extra(module: str) -> Check:
    what, extra = EXTRAS[module]
    if util.find_spec(module) is not None:
        return Check(extra, "ok", what)
    return Check(extra, "absent", f"no {what}", f"pip install 'fogfleet[{extra}]'")
