"""Reads arrays out of .npz files that may be truncated or hostile: sizes are checked before memory is taken."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sim.errors import DataError

LARGEST_BYTES = 2 * 2**30  # of one array; MVMC.npz has 63 MB
LARGEST_RATIO = 200  # uncompressed to compressed; images reach 10, zip bombs 1000
HEADER_BYTES = 16 * 1024
PIECE = 4 * 2**20
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


@dataclass(frozen=True)
class Form:
    """What an array claims to be, before any of it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def nbytes(self) -> int:
        """Bytes of the values, in integers that do not overflow."""
        return math.prod(self.shape) * self.dtype.itemsize


class Npz:
    """An open .npz file. Look at `form` first, then take the `array`."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._archive = archive

    def __contains__(self, key: str) -> bool:
        return f"{key}.npy" in self._archive.namelist()

    def form(self, key: str) -> Form:
        """Shape and type of an array, from its header alone.

        Raises:
            DataError: there is no such array, it is no array, holds Python objects, or claims an absurd size.
        """
        if key not in self:
            have = ", ".join(sorted(n.removesuffix(".npy") for n in self._archive.namelist()[:20])) or "nothing"
            raise DataError(f"{self.path}: there is no array {key!r} in it; it holds {have}")
        with self._telling(key):
            info = self._archive.getinfo(f"{key}.npy")
            with self._archive.open(info) as stream:
                head = io.BytesIO(stream.read(HEADER_BYTES))
            form = _form(head)
        if form.dtype.hasobject or form.dtype.kind not in "biufUS":
            raise DataError(
                f"{self.path}: {key} holds {form.dtype}, which is not read (it could run code); "
                "store plain numbers with numpy.savez"
            )
        if form.nbytes > LARGEST_BYTES:
            raise DataError(
                f"{self.path}: {key} claims {form.shape} {form.dtype}, {form.nbytes / 1e9:.1f} GB; at most "
                f"{LARGEST_BYTES / 1e9:.1f} GB are read"
            )
        if form.nbytes != info.file_size - form.offset:
            raise DataError(
                f"{self.path}: {key} claims {form.nbytes} bytes of values but stores {info.file_size - form.offset}; "
                "the file is truncated or damaged: get it again"
            )
        if info.file_size > 2**20 and info.file_size > LARGEST_RATIO * info.compress_size:
            raise DataError(
                f"{self.path}: {key} unpacks to {info.file_size} bytes from {info.compress_size}; images do not "
                "compress like this, so it is not unpacked; store it with numpy.savez"
            )
        return form

    def array(self, key: str) -> NDArray[Any]:
        """The array, whole.

        Raises:
            DataError: as `form`, or the values are damaged.
        """
        form = self.form(key)
        with self._telling(key), self._archive.open(f"{key}.npy") as stream:
            stream.read(form.offset)
            values = np.empty(form.nbytes, dtype=np.uint8)
            filled = 0
            while filled < form.nbytes and (piece := stream.read(min(PIECE, form.nbytes - filled))):
                values[filled : filled + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
                filled += len(piece)
            if filled < form.nbytes or stream.read(1):  # the last read also has the checksum looked at
                raise EOFError("it ends too early")
        typed: NDArray[Any] = values.view(form.dtype)
        return typed.reshape(form.shape, order="F" if form.fortran else "C")

    @contextmanager
    def _telling(self, key: str) -> Iterator[None]:
        try:
            yield
        except _BROKEN as error:
            raise DataError(f"{self.path}: {key} cannot be read: {_short(error)}; get the file again") from error


@contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """Open an .npz file.

    Raises:
        DataError: it is missing, or no .npz file.
    """
    if not path.is_file():
        what = "is no file" if path.exists() else "does not exist"
        raise DataError(f"{path}: {what}; give the path of an .npz file")
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise DataError(f"{path}: is no .npz file, or a truncated one: {_short(error)}; get it again") from error
    with archive:
        yield Npz(path, archive)


def _form(head: io.BytesIO) -> Form:
    version = npy.read_magic(head)
    if version == (1, 0):
        shape, fortran, dtype = npy.read_array_header_1_0(head)
    elif version == (2, 0):
        shape, fortran, dtype = npy.read_array_header_2_0(head)
    else:
        raise ValueError(f"array format {version} is not known")
    if any(n < 0 for n in shape):
        raise ValueError(f"negative shape {shape}")
    return Form(shape, dtype, fortran, head.tell())


def _short(error: BaseException) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:200]
