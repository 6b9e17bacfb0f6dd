"""Data from files and functions: what is read, and how bad ones are refused."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sim.data import Dataset, load
from sim.data.npz import open_npz
from sim.data.partition import cut
from sim.data.pixels import to_uint8
from sim.errors import DataError

SHARED = Path(__file__).parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Mvmc:
    path: str
    split: str | None = None
    kind: str = "mvmc"


@dataclass(frozen=True)
class Folder:
    path: str
    kind: str = "folder"


@dataclass(frozen=True)
class Partition:
    source: str = "digits"
    shape: tuple[int, int] = (2, 3)
    kind: str = "partition"


@dataclass(frozen=True)
class Custom:
    load: str
    options: dict[str, Any] = field(default_factory=dict)
    kind: str = "custom"


def views(samples: int = 8) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a small multi-view file; camera 1 does not see sample 0."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(samples)[:, None] % 3, 6, axis=1)
    y[0, 1] = 3
    return {
        "X": rng.integers(1, 256, (samples, 6, 3, 32, 32), dtype=np.uint8),
        "y": y,
        "split": np.array(["train"] * (samples - 2) + ["test"] * 2),
    }


def save(folder: Path, **changes: Any) -> Path:
    path = folder / "views.npz"
    arrays = {**views(), **changes}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def read(path: Path, split: Path | None = None) -> Dataset:
    return load(Mvmc(str(path), None if split is None else str(split)), cameras=6, base=Path())


def test_a_multi_view_file(tmp_path: Path) -> None:
    data = read(save(tmp_path))
    assert data.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert not data.present[0, 1] and data.present.sum() == 47
    assert not data.images[0, 1].any()
    assert data.train.tolist() == [0, 1, 2, 3, 4, 5] and data.test.tolist() == [6, 7]


def test_relative_paths_count_from_the_scenario_too(tmp_path: Path) -> None:
    save(tmp_path)
    assert len(load(Mvmc("views.npz"), cameras=6, base=tmp_path)) == 8


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_float_images_become_the_same_bytes(tmp_path: Path, dtype: type) -> None:
    whole = read(save(tmp_path)).sha256
    pixels: np.ndarray[Any, Any] = views()["X"].astype(dtype)
    assert read(save(tmp_path, X=pixels)).sha256 == whole
    assert read(save(tmp_path, X=(pixels / dtype(255)).astype(dtype))).sha256 == whole


@given(st.floats(0, 1, width=32))
def test_unit_floats_are_rounded_to_the_nearest_level(value: float) -> None:
    pixel = to_uint8(np.array([[value, 1.0]], dtype=np.float32), "x")[0]
    assert abs(int(pixel[0]) - 255 * value) <= 0.5 + 1e-9 and pixel[1] == 255


def test_the_published_split(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(700)
    split = tmp_path / "order.txt"
    split.write_text("\n".join(map(str, order)))
    file = tmp_path / "big.npz"
    y = np.repeat(np.arange(700)[:, None] % 3, 6, axis=1)
    np.savez_compressed(file, X=np.random.default_rng(0).integers(1, 9, (700, 6, 3, 32, 32), dtype=np.uint8), y=y)
    assert read(file, split).train.tolist() == order[:680].tolist()
    assert read(file, split).test.tolist() == order[680:].tolist()
    assert read(file).test.tolist() == list(range(680, 700))
    split.write_text("\n".join(map(str, order[:-1])))
    with pytest.raises(DataError, match=r"order\.txt: 699 entries are no permutation of the 700 samples"):
        read(file, split)
    split.write_text("1 2 x")
    with pytest.raises(DataError, match="other than whole numbers"):
        read(file, split)
    with pytest.raises(DataError, match=r"nowhere\.txt: does not exist"):
        read(file, tmp_path / "nowhere.txt")


@pytest.mark.skipif(not SHARED.exists(), reason="the recorded images are not part of the project")
def test_the_recorded_images() -> None:
    data = read(SHARED / "epfl_six_cameras.npz")
    assert data.images.shape == (1256, 6, 3, 32, 32)
    assert (len(data.train), len(data.test)) == (1110, 146)


def _changed(key: str, index: Any, value: Any, dtype: Any = None) -> dict[str, Any]:
    array = views()[key].astype(dtype) if dtype else views()[key].copy()
    array[index] = value
    return {key: array}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": None}, "no array 'X' in it; it holds split, y"),
        ({"y": None}, "no array 'y'"),
        ({"X": np.zeros((8, 6, 32, 32, 3), np.uint8)}, r"X is \(8, 6, 32, 32, 3\); needed is"),
        ({"X": np.zeros((8, 6), np.uint8)}, r"X is \(8, 6\)"),
        ({"X": np.zeros((0, 6, 3, 32, 32), np.uint8)}, "X is"),
        ({"y": np.zeros((8, 5), int)}, r"y is \(8, 5\); with this X, needed is \(8, 6\)"),
        (_changed("y", (4, 2), 4), r"y\[4, 2\] is 4; labels are 0 to 2"),
        (_changed("y", (4, 2), -1), r"y\[4, 2\] is -1"),
        (_changed("y", (4, 2), 0.5, float), "no whole numbers"),
        (_changed("y", (4, 2), np.nan, float), "no whole numbers"),
        (_changed("y", (4, 2), 1e300, float), "small integers"),
        (_changed("y", (4, 2), 2), r"sample 4 have different labels \[1, 1, 2, 1, 1, 1\]"),
        (_changed("y", 5, 3), "no camera sees sample 5"),
        (_changed("X", (1, 1, 1, 1, 1), np.nan, np.float32), "NaN"),
        (_changed("X", (1, 1, 1, 1, 1), np.inf, np.float32), "infinity"),
        (_changed("X", (1, 1, 1, 1, 1), 256, np.int32), "from 1 to 256"),
        (_changed("X", (1, 1, 1, 1, 1), -1, np.float32), "from -1.0 to 255.0"),
        ({"X": np.full((8, 6, 3, 32, 32), "a")}, "images are numbers"),
        ({"y": np.full((8, 6), "a")}, "labels are integers"),
        ({"y": np.array([[None] * 6] * 8)}, "object, which is not read"),
        ({"X": np.zeros((8, 6, 3, 32, 32), complex)}, "complex128, which is not read"),
        (_changed("split", 3, "tes"), r"split\[3\] is 'tes'; write train or test"),
        ({"split": np.arange(8)}, "split is int64"),
        ({"split": None}, "8 samples leave none for testing"),
    ],
)
def test_bad_multi_view_files(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(save(tmp_path, **changes))
    assert str(tmp_path / "views.npz") in str(caught.value)


def _member(header: str, values: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + values


def _archive(folder: Path, **members: bytes) -> Path:
    path = folder / "hostile.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, content in members.items():
            archive.writestr(f"{key}.npy", content)
    return path


HUGE = "{'descr': '|u1', 'fortran_order': False, 'shape': (38000000, 6, 3, 32, 32), }"
LYING = "{'descr': '|u1', 'fortran_order': False, 'shape': (1000, 6, 3, 32, 32), }"
BOMB = "{'descr': '|u1', 'fortran_order': False, 'shape': (6000, 6, 3, 32, 32), }"


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (_member(HUGE), "700.4 GB; at most"),
        (_member(LYING, b"few"), "claims 18432000 bytes of values but stores 3"),
        (_member(BOMB, bytes(6000 * 18432)), "images do not compress like this"),
        (_member("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"cos\nsystem\n"), "not read"),
        (_member("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }"), "negative shape"),
        (_member("__import__('os').abort()"), "cannot be read"),
        (_member("{'descr': '|u1', 'fortran_order': False, 'shape': (" + "9" * 90 + ",)}"), "claims"),
        (_member("{'descr': 'nonsense', 'fortran_order': False, 'shape': (1,), }"), "cannot be read"),
        (b"no array at all", "cannot be read"),
        (b"", "cannot be read"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{", "cannot be read"),
        (b"\x93NUMPY\x07\x00" + b"\0" * 99, "format"),
    ],
)
def test_hostile_arrays_are_refused_before_memory_is_taken(tmp_path: Path, member: bytes, message: str) -> None:
    path = _archive(tmp_path, X=member)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = save(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        read(path)


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0, 0.999))
def test_truncated_files_are_refused(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    whole = save(tmp_path_factory.mktemp("cut"))
    content = whole.read_bytes()
    whole.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match="truncated"):
        read(whole)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "none.npz")
    with pytest.raises(DataError, match="is no file"):
        read(tmp_path)
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError, match=r"no \.npz file"):
        read(tmp_path / "text.npz")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("packer", [np.savez, np.savez_compressed])
def test_arrays_survive(tmp_path: Path, order: Any, packer: Any) -> None:
    array = np.arange(24, dtype=">i4").reshape(2, 3, 4).copy(order)
    packer(tmp_path / "a.npz", a=array, none=np.zeros((0, 3)), one=np.array("word"))
    with open_npz(tmp_path / "a.npz") as file:
        assert np.array_equal(file.array("a"), array)
        assert file.array("none").shape == (0, 3)
        assert str(file.array("one")) == "word"


def _picture(path: Path, colour: tuple[int, int, int] = (200, 10, 30), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 20), colour).convert(mode).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            _picture(tmp_path / split / label / "a" / "camera1.png")
            _picture(tmp_path / split / label / "b" / "camera3.png", mode="L")
    return tmp_path


def test_a_folder_of_pictures(pictures: Path) -> None:
    (pictures / "train" / ".DS_Store").write_text("the system's")
    data = load(Folder(str(pictures)), cameras=3, base=Path())
    assert data.classes == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert data.present.tolist() == [[True, False, False], [False, False, True]] * 4
    assert data.images[0, 0, :, 5, 5].tolist() == [200, 10, 30]
    assert (len(data.train), len(data.test)) == (4, 4)


def test_cameras_of_a_folder_count_from_nought_where_there_is_a_nought(pictures: Path) -> None:
    _picture(pictures / "test" / "cat" / "c" / "camera0.jpg")
    data = load(Folder(str(pictures)), cameras=4, base=Path())
    assert data.present[0].tolist() == [False, True, False, False]


def _break_folder(root: Path, how: str) -> None:
    thing = root / "train" / "cat" / "a"
    if how == "name":
        (thing / "front.png").write_bytes(b"")
    elif how == "empty":
        (root / "train" / "cat" / "z").mkdir()
    elif how == "text":
        (thing / "camera2.png").write_text("no picture")
    elif how == "half":
        content = (thing / "camera1.png").read_bytes()
        (thing / "camera1.png").write_bytes(content[: len(content) // 2])
    elif how == "twice":
        _picture(thing / "camera01.png")
    elif how == "deep":
        Image.new("I;16", (9, 9)).save(thing / "camera2.png")
    elif how == "split":
        (root / "test").rename(root / "tests")
    elif how == "file":
        (root / "train" / "readme.txt").write_text("hello")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("name", "front.png: is no picture of a camera"),
        ("empty", "no camera sees this object"),
        ("text", "camera2.png: is no readable"),
        ("half", "camera1.png: is no readable"),
        ("twice", "second picture of camera 1"),
        ("deep", "8 bits a channel"),
        ("split", "has no folder 'test'"),
        ("file", "readme.txt: is no folder"),
        ("cameras", "camera3.png: the scenario has 2 cameras, numbered 1 to 2"),
    ],
)
def test_bad_folders(pictures: Path, how: str, message: str) -> None:
    _break_folder(pictures, how)
    with pytest.raises(DataError, match=message):
        load(Folder(str(pictures)), cameras=2 if how == "cameras" else 3, base=Path())


def test_a_picture_that_claims_to_be_huge_is_refused(pictures: Path) -> None:
    stream = io.BytesIO()
    Image.new("L", (1, 1)).save(stream, "PNG")
    content = bytearray(stream.getvalue())
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    (pictures / "train" / "cat" / "a" / "camera2.png").write_bytes(content)
    with pytest.raises(DataError, match=r"camera2\.png"):
        load(Folder(str(pictures)), cameras=3, base=Path())


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        load(Folder("nowhere"), cameras=3, base=tmp_path)


def test_digits_in_six_parts() -> None:
    pytest.importorskip("sklearn")
    data = load(Partition(), cameras=6, base=Path())
    assert data.images.shape == (1797, 6, 3, 32, 32)
    assert len(data.classes) == 10 and data.present.all()
    assert len(data.train) == 1438 and set(data.train) | set(data.test) == set(range(1797))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(5, 80), st.integers(5, 80))
@settings(max_examples=30, deadline=None)
def test_views_hold_their_own_piece_and_all_of_it_when_it_fits(rows: int, columns: int, high: int, wide: int) -> None:
    image = (np.arange(high * wide) % 256).astype(np.uint8).reshape(1, high, wide, 1)
    tiles = cut(image, (rows, columns))
    assert tiles.shape == (1, rows * columns, 3, 32, 32)
    for index in range(rows * columns):
        row, column = divmod(index, columns)
        down = slice(row * high // rows, (row + 1) * high // rows)
        across = slice(column * wide // columns, (column + 1) * wide // columns)
        piece = image[0, down, across, 0]
        assert set(tiles[0, index].ravel()) <= set(piece.ravel())
        if piece.shape[0] <= 32 and piece.shape[1] <= 32:
            assert set(tiles[0, index].ravel()) == set(piece.ravel())


def _images(folder: Path, **changes: Any) -> Partition:
    arrays = {"X": np.arange(10 * 64).reshape(10, 8, 8) % 256, "y": np.arange(10) % 2, **changes}
    np.savez(folder / "images.npz", **arrays)
    return Partition(str(folder / "images.npz"))


def test_images_from_a_file(tmp_path: Path) -> None:
    data = load(_images(tmp_path), cameras=6, base=Path())
    assert (len(data.train), len(data.test), data.classes) == (8, 2, ("0", "1"))
    words = np.array(["test"] * 5 + ["train"] * 5)
    assert load(_images(tmp_path, split=words), cameras=6, base=Path()).train.tolist() == [5, 6, 7, 8, 9]
    colour = np.arange(10 * 192).reshape(10, 8, 8, 3) % 256
    assert load(_images(tmp_path, X=colour), cameras=6, base=Path()).images[0, 0, :, 0, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": np.zeros((10, 8), np.uint8)}, r"X is \(10, 8\)"),
        ({"X": np.zeros((10, 8, 8, 2), np.uint8)}, "X is"),
        ({"y": np.zeros(9, int)}, r"y is \(9,\)"),
        ({"y": np.array([0, 2] * 5)}, r"labels \[0, 2\]; needed are 0, 1, 2"),
        ({"y": np.zeros(10, int)}, "at least two"),
        ({"X": np.full((10, 8, 8), np.nan)}, "NaN"),
        ({"X": np.zeros((10, 8, 2), np.uint8)}, "cannot be cut into 2x3"),
    ],
)
def test_bad_image_files(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(_images(tmp_path, **changes), cameras=6, base=Path())


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_data_module.py").write_text(
        "import numpy as np\n"
        "from sim.data import Dataset\n"
        "def load(*, cameras, base, samples=4):\n"
        "    images = np.full((samples, cameras, 3, 32, 32), 9, np.uint8)\n"
        "    return Dataset(base.name, images, np.arange(samples) % 2, np.ones((samples, cameras), bool),\n"
        "                   np.arange(2), np.arange(2, samples), ('a', 'b'))\n"
        "def tuple_(*, cameras, base): return (1, 2)\n"
        "def fails(*, cameras, base): return 1 / 0\n"
        "number = 3\n"
    )
    (tmp_path / "broken_data_module.py").write_text("raise RuntimeError('at import')\n")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("module")
def test_a_function_of_the_users_own() -> None:
    data = load("own_data_module:load", cameras=2, base=Path("here"))
    assert (data.name, data.images.shape) == ("here", (4, 2, 3, 32, 32))
    assert len(load(Custom("own_data_module:load", {"samples": 7}), cameras=2, base=Path())) == 7


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("own_data_module", "write my.module:load"),
        ("nowhere_at_all:load", "nowhere_at_all cannot be imported.*PYTHONPATH"),
        ("broken_data_module:load", "RuntimeError: at import"),
        ("own_data_module:lood", "no function 'lood'"),
        ("own_data_module:number", "no function 'number'"),
        ("own_data_module:tuple_", "returned tuple; it must return a sim.data.Dataset"),
        ("own_data_module:fails", "failed: ZeroDivisionError"),
        (Custom("own_data_module:load", {"sample": 7}), "failed: TypeError"),
        (Custom("x", kind="video"), "kind 'video' is not known; write one of multiview, mvmc"),
    ],
)
def test_functions_that_are_no_use(config: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(config, cameras=2, base=Path())
