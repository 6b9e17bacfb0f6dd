"""What every request goes through: access, headers, and errors as JSON with their place and a remedy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from tornado.web import HTTPError, RequestHandler

from sim.errors import FogFleetError, Problem, ScenarioError, UsageError
from sim.serve.access import HEADER, Access, own_host, own_origin

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sim.serve.hub import Hub
    from sim.world.telemetry import Telemetry

SECURITY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Room:
    """What the handlers of one page share."""

    access: Access
    telemetry: Telemetry
    hub: Hub
    port: int

    @property
    def cookie(self) -> str:
        """Name of the cookie; browsers share cookies between the ports of a machine."""
        return f"fogfleet-{self.port}"


class RefusalError(HTTPError):
    """A request that is refused: what is wrong, where, and what would be right."""

    def __init__(self, status: HTTPStatus, message: str, remedy: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(status, reason=status.phrase)
        self.message = message
        self.remedy = remedy
        self.problems = problems

    def as_dict(self) -> dict[str, Any]:
        """`{"error": {"message", "remedy", "problems": [{"place", "message"}]}}`."""
        problems = [{"place": problem.path, "message": problem.message} for problem in self.problems]
        return {"error": {"message": self.message, "remedy": self.remedy, "problems": problems}}


def refusal(error: FogFleetError) -> RefusalError:
    """One of our own errors as the answer to a request."""
    if isinstance(error, ScenarioError):
        first = "; ".join(f"{problem.path}: {problem.message}".removeprefix(": ") for problem in error.problems)
        return RefusalError(
            HTTPStatus.UNPROCESSABLE_ENTITY, first, "write it as in docs/faults.md; `fogfleet faults` lists the kinds",
            error.problems,
        )  # fmt: skip
    return RefusalError(HTTPStatus.CONFLICT if isinstance(error, UsageError) else HTTPStatus.BAD_GATEWAY, str(error))


class Handler(RequestHandler):
    """Base of all handlers: admits or refuses, and answers in JSON."""

    room: Room

    def initialize(self, room: Room) -> None:
        """Tornado's way to hand arguments to a handler."""
        self.room = room

    def set_default_headers(self) -> None:
        """Headers of every answer, also of refusals."""
        for name, value in SECURITY.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def prepare(self) -> Awaitable[None] | None:
        """Checks before every request.

        Raises:
            RefusalError: a foreign host or origin, or no token.
        """
        headers, access = self.request.headers, self.room.access
        if not own_host(headers.get("Host")):
            raise RefusalError(HTTPStatus.FORBIDDEN, "this host name is not ours", "use the address that was printed")
        if self.request.method in ("GET", "HEAD"):
            if not access.admits(headers.get(HEADER), self.get_query_argument("token", None), self._cookie()):
                raise RefusalError(
                    HTTPStatus.UNAUTHORIZED, "no access without the token", "open the address that was printed"
                )
            return None
        if not own_origin(headers.get("Origin"), headers.get("Host"), headers.get("Sec-Fetch-Site")):
            raise RefusalError(HTTPStatus.FORBIDDEN, "this comes from a page of another site", "use the page itself")
        if not access.may_change(headers.get(HEADER)):
            raise RefusalError(
                HTTPStatus.UNAUTHORIZED,
                f"the header {HEADER} with the token is missing or wrong",
                "the token stands in the address that was printed",
            )
        return None

    def _cookie(self) -> str | None:
        return self.get_cookie(self.room.cookie)

    def answer(self, value: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Ends the request with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def write_error(self, status_code: int, **info: Any) -> None:
        """Every error as JSON."""
        error = info.get("exc_info", (None, None, None))[1]
        if not isinstance(error, RefusalError):
            error = RefusalError(HTTPStatus(status_code), HTTPStatus(status_code).phrase)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(error.as_dict(), ensure_ascii=False))

    def log_exception(self, kind: Any, error: Any, traceback: Any) -> None:
        """Refusals are told to whom they concern; all others are faults of ours."""
        if not isinstance(error, HTTPError):
            super().log_exception(kind, error, traceback)
