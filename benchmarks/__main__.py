"""`python -m benchmarks [NAME...]` measures and prints tables; run it from the root of a checkout."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from benchmarks.table import as_json, show

TITLES = {
    "kernel": "The kernel",
    "shards": "One fleet over several processes",
    "lockstep": "Lockstep and the broker's clients",
    "main_job": "The main job",
    "ddnn": "The network",
    "sweep": "Sweeps",
    "faults": "Faults",
    "orchestration": "Gateways that fail, thresholds that move",
    "garbage": "Garbage thrown at a fleet",
    "serve": "The page of a run",
    "live": "Live runs and separate processes",
}


def main() -> None:
    """Runs the benchmarks that are asked for, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(TITLES)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    if unknown := set(options.names) - set(TITLES):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(TITLES)}")
    tables = {name: import_module(f"benchmarks.{name}").rows() for name in options.names or TITLES}
    if options.json:
        sys.stdout.write(as_json({name: list(rows) for name, rows in tables.items()}) + "\n")
        return
    for name, rows in tables.items():
        show(TITLES[name], rows, sys.stdout.write)


if __name__ == "__main__":
    main()
