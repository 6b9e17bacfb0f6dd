"""Writes a folder of secrets: whole or not at all, for its owner's eyes only."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

_PUBLIC = (".crt", ".conf")


def write_folder(
    folder: Path, files: Mapping[str, bytes], *, replace: bool = False, owners: Mapping[str, str] | None = None
) -> None:
    """Makes `folder` with these files (path inside it to content); folders 0700, secrets 0600, certificates 0644.

    It grows beside its place and is moved there when complete, so a crash leaves nothing half-written.

    Args:
        folder: where; its parents are made.
        files: what.
        replace: whether a folder that is there may go.
        owners: sub-folder to the user of this machine that it is for, if it is not ours; takes root.

    Raises:
        FileExistsError: the folder is there, is not empty, and may not go.
        OSError: it cannot be written.
        LookupError: no such user.
    """
    folder = folder.absolute()
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise FileExistsError(f"{folder} is there already and is no folder")
    if not replace and folder.is_dir() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is there already and not empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        new = draft / "new"
        new.mkdir(0o700)
        for name, content in files.items():
            _write(new, PurePosixPath(name), content)
        for name, user in (owners or {}).items():
            new.chmod(0o711)  # or the owner of what lies inside could not reach it
            for path in (new / name, *(new / name).rglob("*")):
                shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
        _swap(folder, new, draft / "old")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(root: Path, name: PurePosixPath, content: bytes) -> None:
    place = root
    for part in name.parts[:-1]:
        place /= part
        place.mkdir(0o700, exist_ok=True)
    mode = 0o644 if name.suffix in _PUBLIC else 0o600
    descriptor = os.open(place / name.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _swap(folder: Path, new: Path, old: Path) -> None:
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
