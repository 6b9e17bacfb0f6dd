"""The addresses of the page.

=======================  ====================================================================================
`GET /`                  the page
`GET /api/events`        server-sent events: `hello` (everything), then `tick` (what changed), `progress`
`GET /api/snapshot`      the newest snapshot in full
`GET /api/kinds`         the kinds of faults
`POST /api/faults`       injects: an entry as in a scenario's `faults`, in JSON or YAML; answers with its id
`DELETE /api/faults/ID`  lifts
`POST /api/stop`         ends the run early, as Ctrl-C does
=======================  ====================================================================================
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from tornado.iostream import StreamClosedError
from tornado.web import Application

from sim.errors import FogFleetError, Problem
from sim.scenario.document import parse
from sim.scenario.text import NotReadableError
from sim.serve.hub import Mailbox
from sim.serve.requests import Handler, RefusalError, Room, refusal

STATIC: Final = Path(__file__).with_name("static")
HEARTBEAT_S: Final = 10.0
"""Wall seconds between signs of life while nothing happens."""
LARGEST_BODY: Final = 64 * 1024


@cache
def static_files() -> dict[str, tuple[str, bytes]]:
    """Name -> content type and content of what lies beside this module; nothing else can be asked for."""
    mimetypes.add_type("text/javascript", ".js")  # a Windows registry may say otherwise
    files = sorted(path for path in STATIC.iterdir() if path.suffix in (".html", ".css", ".js", ".svg"))
    return {path.name: (mimetypes.guess_type(path.name)[0] or "text/plain", path.read_bytes()) for path in files}


@cache
def kinds() -> list[dict[str, Any]]:
    """The catalogue, made once."""
    from sim.serve.catalogue import catalogue

    return catalogue()


class Front(Handler):
    """The page itself; whoever may see it gets a cookie, so that the address without the token will do next time."""

    def get(self) -> None:
        """Answers with the page; it holds the token for the requests that change something."""
        _, page = static_files()["index.html"]
        token = self.room.access.token or "none"
        if self.room.access.token is not None:
            self.set_cookie(self.room.cookie, token, httponly=True, samesite="Strict", path="/")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page.replace(b"{{token}}", token.encode()))


class Static(Handler):
    """Style and scripts."""

    def get(self, name: str) -> None:
        """Answers with one file."""
        found = static_files().get(name)
        if found is None or name == "index.html":
            raise RefusalError(HTTPStatus.NOT_FOUND, f"there is no file {name!r}")
        self.set_header("Content-Type", f"{found[0]}; charset=utf-8")
        self.finish(found[1])


class Events(Handler):
    """The stream of events."""

    box: Mailbox | None = None

    async def get(self) -> None:
        """Writes events until one side has enough."""
        if self.room.hub.full:
            raise RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, "too many visitors", "close other windows of this page")
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("X-Accel-Buffering", "no")
        self.box = box = self.room.hub.join()
        try:
            await self._relay(box)
        except StreamClosedError:
            return
        finally:
            self.room.hub.leave(box)

    async def _relay(self, box: Mailbox) -> None:
        self.write("retry: 1000\n\n")
        while True:
            await self.flush()
            try:
                text = await asyncio.wait_for(box.get(), HEARTBEAT_S)
            except TimeoutError:
                text = ": still here\n\n"
            if text is None:
                return
            self.write(text)

    def on_connection_close(self) -> None:
        """The visitor is gone: no need to wait for the next event to find out."""
        if self.box is not None:
            self.room.hub.leave(self.box)
            while not self.box.empty():
                self.box.get_nowait()
            self.box.put_nowait(None)
        super().on_connection_close()


class Latest(Handler):
    """The newest snapshot, for programs."""

    def get(self) -> None:
        """Answers with it, null before the first."""
        snapshot = self.room.telemetry.latest()
        self.answer(None if snapshot is None else snapshot.as_dict())


class Kinds(Handler):
    """What can be injected."""

    async def get(self) -> None:
        """Answers with the catalogue."""
        self.answer(await asyncio.to_thread(kinds))


class Faults(Handler):
    """Injects."""

    async def post(self) -> None:
        """Takes one entry of `faults:`."""
        entry = read_entry(self.request.body)
        name = await _asked(lambda: self.room.telemetry.inject(entry))
        self.answer({"id": name}, HTTPStatus.CREATED)


class Fault(Handler):
    """Lifts."""

    async def delete(self, name: str) -> None:
        """Ends the fault of this id."""
        await _asked(lambda: self.room.telemetry.lift(name))
        self.answer({"id": name})


class Stop(Handler):
    """Ends the run."""

    async def post(self) -> None:
        """Asks for it; the last event tells when it is done."""
        await _asked(self.room.telemetry.stop)
        self.room.hub.stopped = True
        self.answer({}, HTTPStatus.ACCEPTED)


class Nowhere(Handler):
    """Every other address."""

    def prepare(self) -> None:
        """Refuses, token or not."""
        raise RefusalError(HTTPStatus.NOT_FOUND, f"there is nothing at {self.request.path}", "the page is at /")


def read_entry(body: bytes) -> dict[str, Any]:
    """An entry of `faults:` in YAML, of which JSON is a part.

    Raises:
        RefusalError: it cannot be read; with the place.
    """
    if not body.strip():
        body = b"[]"  # an empty text is an empty scenario to the reader, and it would say so
    try:
        document, problems = parse(body.decode("utf-8", "replace"), "fault")
    except NotReadableError as error:
        document, problems = None, [error.problem]
    if problems or document is None or not isinstance(document.data, dict):
        found = problems or [
            Problem("fault", 0, 0, "", "write one entry, e.g. {kind: crash, target: cam.3, for: 30 s}")
        ]
        raise RefusalError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(map(str, found)), "write it as in docs/faults.md", tuple(found)
        )
    _check_reach(document.data)
    return document.data


def _check_reach(entry: Mapping[str, Any]) -> None:
    """Whoever holds the token may break the fleet, but neither import modules nor read files of this machine."""
    for key, forbidden in (("kind", ":" in str(entry.get("kind"))), ("trace", "trace" in entry)):
        if forbidden:
            problem = Problem("fault", 0, 0, key, "modules and files of this machine can only be named in a scenario")
            raise RefusalError(
                HTTPStatus.UNPROCESSABLE_ENTITY, problem.message, "put the fault into the scenario", (problem,)
            )


async def _asked(ask: Callable[[], Any]) -> Any:
    """Asks the run, which answers between two events, without keeping the other visitors waiting.

    Raises:
        RefusalError: it says no, or nothing.
    """
    try:
        return await asyncio.to_thread(ask)
    except FogFleetError as error:
        raise refusal(error) from error
    except TimeoutError:
        raise RefusalError(
            HTTPStatus.GATEWAY_TIMEOUT,
            "the run does not answer",
            "look at the list of faults before you try again: it may still come",
        ) from None


def application(room: Room) -> Application:
    """All addresses of one page."""
    share = {"room": room}
    return Application(
        [
            (r"/", Front, share),
            (r"/static/([\w.-]+)", Static, share),
            (r"/api/events", Events, share),
            (r"/api/snapshot", Latest, share),
            (r"/api/kinds", Kinds, share),
            (r"/api/faults", Faults, share),
            (r"/api/faults/([^/]+)", Fault, share),
            (r"/api/stop", Stop, share),
        ],
        default_handler_class=Nowhere,
        default_handler_args=share,
        log_function=lambda handler: None,
    )
