"""How a failure ends the command: the one place where exceptions become messages and exit codes.

| code | meaning |
|---|---|
| 0 | success |
| 1 | an `expect:` failed, or a scheduled fault never fired |
| 2 | wrong usage |
| 3 | invalid scenario |
| 4 | the environment: broker, file, divergence |
| 5 | some points of a sweep failed |
| 70 | a fault in FogFleet itself |
| 130 | interrupted |
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import click

INTERNAL: Final = 70
INTERRUPTED: Final = 128 + signal.SIGINT
TERMINATED: Final = 128 + signal.SIGTERM
# What a shell reports for a command whose reader went away; Windows has no such signal.
PIPE_CLOSED: Final = 141

_OURS: Final = (("sim.errors", "FogFleetError"), ("brokers.api", "BrokerError"), ("analysis.load", "FolderError"))


def exit_code(error: BaseException) -> int | None:
    """The exit code that `error` stands for; None if it is a fault in FogFleet itself.

    The classes are looked up among the modules loaded so far: one that was never imported cannot have been
    raised, and importing it here would cost every `--help` a second.
    """
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    for module, name in _OURS:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return int(getattr(error, "exit_code", 4))
    return 4 if isinstance(error, OSError | MemoryError) else None


@contextmanager
def exits() -> Iterator[None]:
    """Ends the command with a message and the right code on any failure; click's own exceptions pass."""
    try:
        yield
        # Here rather than at interpreter exit, where a closed pipe could only be complained about.
        sys.stdout.flush()
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except BrokenPipeError:
        _end_quietly()
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("FOGFLEET_DEBUG"):
            import traceback

            traceback.print_exc()
        code = exit_code(error)
        click.echo(_message(error, code), err=True)
        raise click.exceptions.Exit(INTERNAL if code is None else code) from error


def end_on_sigterm() -> None:
    """Makes SIGTERM unwind the stack like Ctrl-C, so that the broker we started stops with us."""

    def leave(_signal: int, _frame: object) -> NoReturn:
        sys.exit(TERMINATED)

    signal.signal(signal.SIGTERM, leave)


def _message(error: BaseException, code: int | None) -> str:
    if code is None:
        kind = type(error).__name__
        return (
            f"fogfleet: this is a fault in FogFleet itself: {kind}: {error}\n"
            "Run it again with FOGFLEET_DEBUG=1 to see where, and please report it."
        )
    if code == INTERRUPTED:
        return "fogfleet: interrupted"
    # A scenario's problems name their file and line, as compilers do: editors jump to such lines.
    return str(error) if code == 3 else f"fogfleet: {error}"


def _end_quietly() -> NoReturn:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise click.exceptions.Exit(PIPE_CLOSED)
