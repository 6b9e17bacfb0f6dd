"""The server: a thread of its own beside the run, on one port."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import AF_INET, AF_INET6, create_server, socket
from typing import TYPE_CHECKING, Final

from tornado.httpserver import HTTPServer

from sim.errors import SetupError
from sim.serve.access import Access
from sim.serve.handlers import LARGEST_BODY, application, kinds
from sim.serve.hub import Hub
from sim.serve.requests import Room

if TYPE_CHECKING:
    from sim.world.telemetry import Telemetry

TRIED: Final = 20
"""Ports that are tried one after another where the wanted one is taken."""
START_S: Final = 30.0
FAREWELL: Final = 50
"""Hundredths of a second that visitors get to hear that it is over."""


@dataclass(frozen=True)
class Page:
    """A page that is being served.

    Attributes:
        address: without the token.
        url: with it, for the person's eyes only.
        hub: takes what is to be shown.
    """

    address: str
    url: str = field(repr=False)
    hub: Hub


@contextmanager
def open_page(
    telemetry: Telemetry, access: Access, host: str = "127.0.0.1", port: int = 8765, *, faults: bool = True
) -> Iterator[Page]:
    """Serves the page of a run until the end of the `with` block; the run may begin later and end earlier.

    Args:
        telemetry: what is shown and driven.
        access: who may look and touch.
        host: the address to listen at.
        faults: whether a live run of this kind takes faults by hand.
        port: 0: any free one; where it is taken, one of the next is used.

    Raises:
        SetupError: no port is free, or the host is none of this machine's.
    """
    kinds()  # now, when nobody waits for it
    listener = _bind(host, port)
    port = listener.getsockname()[1]
    loop = asyncio.new_event_loop()
    hub = Hub(loop, faults)
    room = Room(access, telemetry, hub, port)
    ready = threading.Event()
    thread = threading.Thread(target=_serve, args=(loop, room, listener, ready), name="fogfleet-serve", daemon=True)
    thread.start()
    if not ready.wait(START_S):
        raise SetupError("the web server did not start; try again on a less busy machine")
    unsubscribe = telemetry.subscribe(hub.show)
    try:
        latest = telemetry.latest()
        if latest is not None:
            hub.show(latest)
        yield Page(*_addresses(host, port, access), hub)
    finally:
        unsubscribe()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _addresses(host: str, port: int, access: Access) -> tuple[str, str]:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    address = f"http://{shown}:{port}/"
    return address, address if access.token is None else f"{address}?token={access.token}"


def _bind(host: str, port: int) -> socket:
    taken: OSError | None = None
    for candidate in range(port, min(port + TRIED, 65536)) if port else (0,):
        try:
            family = AF_INET6 if ":" in host else AF_INET
            listener = create_server((host, candidate), family=family, backlog=128)
        except OSError as error:
            taken = error
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                break
            continue
        listener.setblocking(False)
        return listener
    raise SetupError(f"cannot listen at {host}:{port}: {taken}; name another --host or --port")


def _serve(loop: asyncio.AbstractEventLoop, room: Room, listener: socket, ready: threading.Event) -> None:
    asyncio.set_event_loop(loop)
    server = HTTPServer(application(room), max_body_size=LARGEST_BODY, max_buffer_size=16 * LARGEST_BODY)
    try:
        loop.call_soon(server.add_socket, listener)
        loop.call_soon(ready.set)
        loop.run_forever()
    finally:
        room.hub.close()
        loop.run_until_complete(_end(server, room.hub))
        loop.close()


async def _end(server: HTTPServer, hub: Hub) -> None:
    """Lets streams end properly, then closes what is left."""
    server.stop()
    for _ in range(FAREWELL):
        if hub.empty:
            break
        await asyncio.sleep(0.01)
    await server.close_all_connections()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()
