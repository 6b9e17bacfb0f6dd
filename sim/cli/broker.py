"""Commands about the broker itself."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from sim.cli.options import set_option

if TYPE_CHECKING:
    from brokers.hardened import Profile

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@click.group()
def broker() -> None:
    """Set up a broker of your own.

    \b
    Example:
      fogfleet broker init secure --scenario scenarios/six_cameras.yaml
    """


@broker.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--scenario",
    type=click.Path(path_type=Path),
    default=Path("fleet.yaml"),
    show_default=True,
    help="Whose nodes get accounts.",
)
@set_option
@click.option(
    "--mosquitto",
    "version",
    default="auto",
    show_default=True,
    metavar="auto|2.0|2.1",
    help="Write for this version; auto: the one that is installed here.",
)
@click.option("--auth", type=click.Choice(["password", "certificate"]), default="password", show_default=True)
@click.option("--tls/--no-tls", default=True, show_default=True, help="Encrypt connections.")
@click.option(
    "--host", "hosts", multiple=True, help="Name or address of the broker besides localhost; may be repeated."
)
@click.option("--port", type=click.IntRange(1, 65535), help="Listen there.  [default: 8883, without TLS 1883]")
@click.option(
    "--at",
    type=click.Path(path_type=PurePosixPath),
    help="Where the broker will find the files of DIR/broker, e.g. /etc/mosquitto/fogfleet.  [default: there]",
)
@click.option("--user", help="The account Mosquitto runs under if it is started as root.")
@click.option("--plugins", type=click.Path(path_type=PurePosixPath), help="Folder of the plug-ins of Mosquitto 2.1.")
@click.option("--days", type=click.IntRange(min=1), default=365, show_default=True, help="How long certificates hold.")
@click.option("--force", is_flag=True, help="Replace DIR and every password and certificate in it.")
def init(
    folder: Path,
    scenario: Path,
    overrides: tuple[str, ...],
    version: str,
    auth: str,
    tls: bool,
    hosts: tuple[str, ...],
    port: int | None,
    at: PurePosixPath | None,
    user: str | None,
    plugins: PurePosixPath | None,
    days: int,
    force: bool,
) -> None:
    """Write a hardened Mosquitto profile and the credentials of every node.

    Nobody enters without a password or certificate of their own, connections are encrypted, a node publishes on its
    own topics only, and packets, connections, queues and memory have limits. DIR/broker is for the broker, each
    folder in DIR/nodes for one node.

    \b
    Example:
      fogfleet broker init secure --scenario scenarios/six_cameras.yaml --host broker.example.org
      mosquitto -c secure/broker/mosquitto.conf
      FOGFLEET_CREDENTIALS=secure fogfleet run scenarios/six_cameras.yaml --broker mqtts://localhost
    """
    from brokers import hardened, mosquitto, private
    from sim import world
    from sim.world.accounts import OWN_TOPICS

    accounts = world.accounts(world.load(scenario, overrides))
    profile = hardened.Profile(
        version=_version(version),
        auth="certificate" if auth == "certificate" else "password",
        tls=tls,
        hosts=tuple(dict.fromkeys((*hosts, *_LOOPBACK))),
        port=port or (8883 if tls else 1883),
        at=at or PurePosixPath(folder.absolute() / "broker"),
        user=user,
        plugins=PurePosixPath(plugins or mosquitto.plugins(mosquitto.find()) or hardened.PLUGINS),
        days=days,
    )
    try:
        private.write_folder(folder, hardened.files(profile, accounts, OWN_TOPICS), replace=force, owners=_owners(user))
    except LookupError:
        raise click.UsageError(f"there is no user {user!r} on this machine.") from None
    except FileExistsError as error:
        raise click.UsageError(f"{error} and stays as it is; --force replaces it and every secret in it.") from None
    _tell(folder, profile, len(accounts))


def _owners(user: str | None) -> dict[str, str]:
    """Started as root, Mosquitto drops to a user of its own before it reads its files: they must be that user's."""
    import os
    import pwd

    if os.geteuid() != 0 or user == "root":
        return {}
    if user is not None:
        return {"broker": user}
    return {"broker": "mosquitto"} if any(entry.pw_name == "mosquitto" for entry in pwd.getpwall()) else {}


def _version(wanted: str) -> str:
    import re

    from brokers import mosquitto

    if wanted != "auto":
        if not re.fullmatch(r"[2-9]\.\d+(\.\d+)*", wanted):
            raise click.UsageError(f"{wanted!r} is no version of Mosquitto from 2.0 on; write e.g. 2.0 or 2.1.")
        return wanted
    binary = mosquitto.find()
    if binary is None:
        raise click.UsageError("Mosquitto is not installed here; say for which version: --mosquitto 2.0 or 2.1.")
    return mosquitto.version_of(binary)


def _tell(folder: Path, profile: Profile, accounts: int) -> None:
    scheme = "mqtts" if profile.tls else "mqtt"
    click.echo(f"Wrote {folder}: {accounts} accounts, for Mosquitto {profile.version}")
    click.echo(f"  broker   mosquitto -c {folder / 'broker' / 'mosquitto.conf'}")
    click.echo(
        f"  nodes    FOGFLEET_CREDENTIALS={folder} fogfleet run SCENARIO --broker "
        f"{scheme}://{profile.hosts[0]}:{profile.port}"
    )
    if not profile.tls:
        click.echo(
            "Without TLS everything, passwords too, can be read on the way: for loopback or a VPN only.", err=True
        )
