"""Just the figures: `python -m analysis.plots FOLDER... [-o DIR]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.load import FolderError
from analysis.report import page_of, write_figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes every figure of run and sweep folders as PNG and SVG, and names the files."""
    parser = argparse.ArgumentParser(prog="python -m analysis.plots", description=main.__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="a run folder or a sweep folder")
    parser.add_argument("-o", "--out", type=Path, help="where to; FOLDER/figures by default, figures/ here for several")
    chosen = parser.parse_args(arguments)
    try:
        beside = chosen.folders[0] if len(chosen.folders) == 1 else Path()
        files = write_figures(page_of(*chosen.folders), chosen.out or beside / "figures")
    except FolderError as error:
        sys.stderr.write(f"{error}\n")
        return 4
    sys.stdout.writelines(f"{file}\n" for file in files)
    return 0


if __name__ == "__main__":
    sys.exit(main())
