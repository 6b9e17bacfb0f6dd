"""The user's cache folder, and the one way to put a file into it: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def cache_dir(room: str = "") -> Path:
    """Return the cache folder (of one room), created if need be.

    `FOGFLEET_CACHE` names it; otherwise `$XDG_CACHE_HOME/fogfleet`, otherwise `~/.cache/fogfleet`.

    Raises:
        OSError: the folder cannot be created.
    """
    named = os.environ.get("FOGFLEET_CACHE")
    if named:
        root = Path(named).expanduser()
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fogfleet"
    folder = root / room if room else root
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def publish(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; what was written there becomes `target` in one step.

    Readers see the old file, no file or the new file, never half of one. If the block raises, nothing changes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with publish(Path(folder, "a.txt")) as path:
    ...         _ = path.write_text("whole")
    ...     print(Path(folder, "a.txt").read_text())
    whole
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays the last part of the name: numpy and others add theirs where it is missing.
    descriptor, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=target.parent)
    os.close(descriptor)
    path = Path(name)
    try:
        yield path
        path.replace(target)
    finally:
        with suppress(FileNotFoundError):
            path.unlink()
