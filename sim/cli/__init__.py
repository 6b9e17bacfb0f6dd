"""The command `fogfleet`. It imports click alone; a command opens the other rooms when it runs."""

from sim.cli.app import main

__all__ = ["main"]
