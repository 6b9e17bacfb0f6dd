"""What the nodes call: bytes in, bytes and verdicts out, for one sample at a time, fast because evaluated in batches.

Every answer depends on the bytes given alone. Batches and caches only change when the work is done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.ddnn import exact
from sim.ddnn.exact import F32, Bits, Numbers
from sim.ddnn.sections import Judgement, Sections
from sim.ddnn.spec import Exit, NetworkSpec, flops, memory_bits
from sim.ddnn.stacks import Mask
from sim.ddnn.table import Table, build_table
from sim.errors import UsageError

if TYPE_CHECKING:
    from sim.data.dataset import Dataset

Answer = TypeVar("Answer")
AHEAD = 64
"""Samples whose device sections are evaluated together."""
PREPARED = 8
"""Blocks of `AHEAD` samples kept as the cloud prepares them; one takes about six megabytes."""
REMEMBERED = 20_000
"""Answers kept; the oldest go first. One takes about a kilobyte."""


@dataclass(frozen=True, slots=True)
class DeviceOutput:
    """What a camera makes of one image.

    Attributes:
        scores: `4 |C|` bytes, float32 little-endian; empty where no exit needs them.
        features: bit-packed, filter by filter, row by row, first value in bit 0.
        absent: the image is black: the camera does not see the object.
    """

    scores: bytes
    features: bytes
    absent: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """A classification at one exit.

    Attributes:
        predicted: class index.
        entropy: normalised, in [0, 1]; the sample leaves here if it is below the threshold.
        scores: `4 |C|` bytes, float32 little-endian.
    """

    predicted: int
    entropy: float
    scores: bytes


class Inference:
    """A trained network at work on a data set."""

    def __init__(self, sections: Sections, dataset: Dataset, validation: NDArray[np.int64]) -> None:
        spec = sections.spec
        if dataset.images.shape[1] != spec.cameras or len(dataset.classes) != spec.classes:
            raise UsageError(
                f"{dataset.name} has {dataset.images.shape[1]} cameras and {len(dataset.classes)} classes; "
                f"the network has {spec.cameras} and {spec.classes}"
            )
        self.spec: NetworkSpec = spec
        self.dataset = dataset
        self.sections = sections
        self.validation = validation
        self.flops = flops(spec)
        self.memory_bits = memory_bits(spec)
        self.score_bytes = spec.score_bytes
        self.feature_bytes = spec.feature_bytes
        self.edge_bytes = spec.edge_bytes
        samples = len(dataset.labels)
        self._order = np.unique(np.r_[dataset.test, dataset.train, np.arange(samples)], return_index=True)[1].argsort()
        self._position = np.argsort(self._order)
        self._ready = np.zeros(samples, np.bool_)
        self._scores = np.zeros((samples, spec.cameras, spec.score_bytes // 4), np.float32)
        self._features = np.zeros((samples, spec.cameras, spec.feature_bytes), np.uint8)
        self._absent = np.zeros((samples, spec.cameras), np.bool_)
        self._outputs: dict[int, list[DeviceOutput]] = {}
        self._answers: dict[object, object] = {}
        self._prepared: dict[bytes, Numbers | None] = {}
        self._uplinks = range(len(spec.uplinks))

    def device(self, index: int, camera: int) -> DeviceOutput:
        """Return what camera `camera` sends for sample `index` of the data set."""
        outputs = self._outputs.get(index)
        if outputs is None:
            outputs = self._outputs[index] = self._all_outputs(index)
            if len(self._outputs) > REMEMBERED:
                del self._outputs[next(iter(self._outputs))]
        return outputs[camera]

    def _all_outputs(self, index: int) -> list[DeviceOutput]:
        """What the cameras send for one sample, by camera."""
        if not self._ready[index]:
            start = int(self._position[index]) // AHEAD * AHEAD
            self.devices(self._order[start : start + AHEAD])
        return [
            DeviceOutput(_float_bytes(scores), features.tobytes(), absent)
            for scores, features, absent in zip(
                self._scores[index], self._features[index], self._absent[index].tolist(), strict=True
            )
        ]

    def devices(self, indices: NDArray[np.int64]) -> tuple[F32, Bits, Mask]:
        """Return scores `(n, V, classes)`, packed features `(n, V, bytes)` and absence `(n, V)` of samples."""
        for start in range(0, len(indices), AHEAD):
            missing = indices[start : start + AHEAD]
            missing = missing[~self._ready[missing]]
            if len(missing):
                images = self.dataset.images[missing]
                self._scores[missing], self._features[missing] = self.sections.devices(images)
                self._absent[missing] = ~images.any(axis=(2, 3, 4))
                self._ready[missing] = True
        return self._scores[indices], self._features[indices], self._absent[indices]

    def raw(self, index: int, camera: int) -> bytes:
        """Return the image as uint8 bytes, channel by channel, row by row."""
        image: Bits = self.dataset.images[index, camera]
        return image.tobytes()

    def from_raw(self, raw: bytes, camera: int) -> DeviceOutput:
        """Run camera `camera`'s device section on an image as `raw` gives it.

        Raises:
            UsageError: not the bytes of one image.
        """

        def compute() -> DeviceOutput:
            _check_size("image", raw, 3072)
            image = np.frombuffer(raw, np.uint8).reshape(3, 32, 32)
            scores, features = self.sections.one_device(image, camera)
            return DeviceOutput(_float_bytes(scores), features.tobytes(), not image.any())

        return self._remember(("raw", camera, raw), compute)

    def verdict(self, scores: bytes) -> Verdict:
        """Classify by one camera's scores: its own exit."""
        return self._remember(("device", scores), lambda: self._verdict("device", self._decode(scores)[None]))

    def settled(self, scores: bytes) -> Verdict:
        """Classify by scores as a `Verdict` holds them; all 0 means that nothing was there to judge."""
        calm = np.nan_to_num(self._decode(scores), posinf=0.0, neginf=0.0)
        predicted = int(calm.argmax()) if calm.any() else int(self.sections.prior)
        return Verdict(predicted, float(exact.entropy(calm[None])[0]), scores)

    def local(self, gateway: int, inputs: Mapping[int, bytes]) -> Verdict:
        """Classify at the local exit of `gateway`.

        Args:
            gateway: its index in `spec.groups`.
            inputs: scores by camera, of the cameras that take part; left out or empty means missing. If none is
                there, the verdict is the most frequent class with entropy 1.
        """

        def compute() -> Verdict:
            given = _in_order(self.spec.groups[gateway], inputs)
            scores = np.zeros((1, len(given), self.spec.classes), np.float32)
            for slot, content in enumerate(given):
                if content:
                    scores[0, slot] = self._decode(content)
            merged, known = self.sections.local(gateway, scores, _mask(given))
            return self._verdict("local", merged, known)

        return self._remember(("local", gateway, _key(self.spec.groups[gateway], inputs)), compute)

    def edge(self, gateway: int, inputs: Mapping[int, bytes]) -> tuple[Verdict, bytes]:
        """Classify at the edge exit of `gateway` and return its own bit-packed features for the cloud.

        `inputs` holds features by camera, as in `local`. If none is there, the features are empty.
        """

        def compute() -> tuple[Verdict, bytes]:
            given = _in_order(self.spec.groups[gateway], inputs)
            maps = self._maps(given, self.spec.device_map)
            scores, out, known = self.sections.edge(gateway, maps, _mask(given))
            features = exact.pack(out)[0].tobytes() if known[0] else b""
            if "edge" not in self.spec.exits:
                return Verdict(self.sections.prior, 1.0, b""), features
            return self._verdict("edge", scores, known), features

        return self._remember(("edge", gateway, _key(self.spec.groups[gateway], inputs)), compute)

    def cloud(self, inputs: Mapping[int, bytes]) -> Verdict:
        """Classify in the cloud.

        `inputs` holds features by camera, or by gateway where there is an edge section, as in `local`.
        """

        def compute() -> Verdict:
            given = _in_order(range(len(self.spec.uplinks)), inputs)
            maps = self._maps(given, self.spec.uplink_map)
            return self._verdict("cloud", *self.sections.cloud(maps, _mask(given)))

        return self._remember(("cloud", _key(self._uplinks, inputs)), compute)

    def table(self, indices: NDArray[np.int64]) -> Table:
        """Return every exit's decision on samples, as if all cameras and links were well."""
        return self.subset_table(indices, [range(self.spec.cameras)]).subset(0)

    def subset_table(self, indices: NDArray[np.int64], subsets: Sequence[Iterable[int]]) -> Table:
        """Return every exit's decision on samples for each of several sets of cameras that work."""
        works = np.zeros((len(subsets), self.spec.cameras), np.bool_)
        for row, subset in enumerate(subsets):
            works[row, list(subset)] = True
        return build_table(self, np.asarray(indices, np.int64), works)

    def prefetch(self, indices: NDArray[np.int64], down: Collection[int] = ()) -> None:
        """Evaluate samples ahead, all cameras but `down` well, so that the calls to come find their answers waiting."""
        for start in range(0, len(indices), AHEAD):
            self._prefetch(np.asarray(indices[start : start + AHEAD], np.int64), list(down))

    def _prefetch(self, indices: NDArray[np.int64], down: list[int]) -> None:
        scores, features, absent = self.devices(indices)
        there = ~absent
        there[:, down] = False
        if "local" in self.spec.exits:
            self._prefetch_local(scores, there)
        sent, prepared = features, self._prepare(indices, features)
        if prepared is not None:
            cloud = self.sections.judge("cloud", *self.sections.cloud_prepared(prepared, there))
        else:
            out = self.sections.upstream(exact.unpack(features.swapaxes(0, 1), self.spec.device_map), there)
            cloud = self.sections.judge("cloud", out.cloud_scores, np.asarray(out.known.any(axis=1)))
            if out.edge_maps is not None:
                sent, there = exact.pack(out.edge_maps).swapaxes(0, 1), out.known
        for row in range(len(indices)):
            self._keep(("cloud", _given(sent[row], there[row])), _verdict(cloud, row))

    def _prepare(self, indices: NDArray[np.int64], features: Bits) -> Numbers | None:
        """What the cloud makes of samples before it is known whose features arrive; the first blocks are kept."""
        block = indices.tobytes()
        if block not in self._prepared:
            prepared = self.sections.prepare(exact.unpack(features.swapaxes(0, 1), self.spec.device_map))
            if len(self._prepared) >= PREPARED:
                return prepared
            self._prepared[block] = prepared
        return self._prepared[block]

    def _prefetch_local(self, scores: F32, there: Mask) -> None:
        for gateway, group in enumerate(map(list, self.spec.groups)):
            judged = self.sections.judge("local", *self.sections.local(gateway, scores[:, group], there[:, group]))
            for row in range(len(scores)):
                self._keep(("local", gateway, _given(scores[row, group], there[row, group])), _verdict(judged, row))

    def _maps(self, given: Sequence[bytes], shape: tuple[int, int, int]) -> F32:
        size = (shape[0] * shape[1] * shape[2] + 7) // 8
        bits = np.zeros((len(given), 1, size), np.uint8)
        for slot, content in enumerate(given):
            if content:
                _check_size("feature map", content, size)
                bits[slot, 0] = np.frombuffer(content, np.uint8)
        return exact.unpack(bits, shape)

    def _decode(self, scores: bytes) -> F32:
        _check_size("score vector", scores, 4 * self.spec.classes)
        return np.frombuffer(scores, "<f4").astype(np.float32)

    def _verdict(self, at: Exit, scores: F32, known: Mask | None = None) -> Verdict:
        judged = self.sections.judge(at, scores, known)
        return _verdict(judged, 0)

    def _remember(self, key: object, compute: Callable[[], Answer]) -> Answer:
        answer = self._answers.get(key)
        if answer is None:
            answer = compute()
            self._keep(key, answer)
        return answer  # type: ignore[return-value]  # each kind of key has its kind of answer

    def _keep(self, key: object, answer: object) -> None:
        self._answers[key] = answer
        if len(self._answers) > REMEMBERED:
            del self._answers[next(iter(self._answers))]


def _in_order(nodes: Sequence[int], inputs: Mapping[int, bytes]) -> list[bytes]:
    """Return one entry a node, empty where it sent nothing."""
    if not set(inputs) <= set(nodes):
        raise UsageError(f"inputs come from {sorted(inputs)}; possible here are {list(nodes)}")
    return [bytes(inputs.get(node, b"")) for node in nodes]


def _key(nodes: Sequence[int], inputs: Mapping[int, bytes]) -> tuple[object, ...]:
    """What all `nodes` sent, in their order; whoever else sent something goes along, and is refused."""
    content = tuple(map(inputs.get, nodes))
    return content if len(content) - content.count(None) == len(inputs) else (*content, *inputs)


def _given(contents: NDArray[Any], there: Mask) -> tuple[bytes | None, ...]:
    """As `_key`, for the rows of `contents` whose node takes part."""
    return tuple(row.tobytes() if here else None for row, here in zip(contents, there.tolist(), strict=True))


def _verdict(judged: Judgement, row: int) -> Verdict:
    return Verdict(int(judged.predicted[row]), float(judged.entropy[row]), _float_bytes(judged.scores[row]))


def _mask(given: Sequence[bytes]) -> Mask:
    return np.array([[bool(content) for content in given]])


def _float_bytes(values: F32) -> bytes:
    return values.astype("<f4").tobytes()


def _check_size(what: str, content: bytes, size: int) -> None:
    if len(content) != size:
        raise UsageError(f"a {what} of {len(content)} bytes came; one has {size}")
