"""Decisions of every exit on many samples and many sets of working cameras, and the search for thresholds in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.ddnn import exact
from sim.ddnn.exact import F32, Bits
from sim.ddnn.sections import BLOCK, Judgement, Sections, Upstream
from sim.ddnn.spec import EXITS, Exit, NetworkSpec
from sim.ddnn.stacks import Mask
from sim.errors import UsageError

if TYPE_CHECKING:
    from sim.ddnn.inference import Inference

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Table:
    """Decisions without faults other than cameras that do not work.

    n samples, V cameras, G gateways; after `Inference.subset_table` the arrays of local, edge and cloud have a leading
    axis of S subsets. Arrays of exits that do not exist are None.

    Attributes:
        spec: the network.
        indices, labels: `(n,)`.
        split: which part of the data the samples are: `test`, `validation`, `train` or `mixed`.
        camera_predicted, camera_entropy: `(n, V)`, each camera by itself.
        takes_part: `([S,] n, V) bool`, cameras that work and see the object.
        local_predicted, local_entropy, edge_predicted, edge_entropy: `([S,] n, G)`.
        cloud_predicted, cloud_entropy: `([S,] n)`.
    """

    spec: NetworkSpec
    indices: Ints
    labels: Ints
    split: str
    takes_part: Mask
    camera_predicted: Ints | None
    camera_entropy: Floats | None
    local_predicted: Ints | None
    local_entropy: Floats | None
    edge_predicted: Ints | None
    edge_entropy: Floats | None
    cloud_predicted: Ints
    cloud_entropy: Floats

    def subset(self, row: int) -> Table:
        """Return the table of one subset of cameras."""
        names = ("takes_part", "local_predicted", "local_entropy", "edge_predicted", "edge_entropy")
        rows = {name: getattr(self, name) for name in (*names, "cloud_predicted", "cloud_entropy")}
        return replace(self, **{name: value[row] for name, value in rows.items() if value is not None})

    def decide(self, thresholds: Mapping[Exit, float]) -> Decided:
        """Apply one threshold an exit. Among several cameras or gateways below it the least entropy decides.

        Raises:
            UsageError: a threshold for an exit that the network has not.
        """
        shape = self.cloud_predicted.shape
        predicted = self.cloud_predicted.copy()
        left = np.full(shape, EXITS.index("cloud"))
        for exit_ in ("edge", "local", "device"):
            if exit_ in thresholds:
                best, entropy = self._at(exit_)
                leaves = entropy < thresholds[exit_]
                predicted = np.where(leaves, best, predicted)
                left = np.where(leaves, EXITS.index(exit_), left)
        return Decided(predicted, left, np.broadcast_to(self.labels, shape))

    def payload_bytes(self, decided: Decided) -> Floats:
        """Return mean payload bytes per camera per sample over the last axis (Eq. 1, and edge to cloud per camera)."""
        local = np.isin(decided.left, (0, 1)).mean(axis=-1)
        cloud = (decided.left == EXITS.index("cloud")).mean(axis=-1)
        edges = self.spec.edge_bytes * self.spec.gateways / self.spec.cameras
        spent = self.spec.score_bytes + (1 - local) * self.spec.feature_bytes + cloud * edges
        return np.asarray(spent, np.float64)

    def _at(self, exit_: Exit) -> tuple[Ints, Floats]:
        predicted: Ints | None = getattr(self, f"{'camera' if exit_ == 'device' else exit_}_predicted")
        entropy: Floats | None = getattr(self, f"{'camera' if exit_ == 'device' else exit_}_entropy")
        if predicted is None or entropy is None:
            raise UsageError(f"the network has no exit {exit_!r}; it has {', '.join(sorted(self.spec.exits))}")
        if exit_ == "device":
            entropy = np.where(self.takes_part, entropy, 1.0)
            predicted = np.broadcast_to(predicted, entropy.shape)
        first = entropy.argmin(axis=-1, keepdims=True)
        chosen = np.take_along_axis(predicted, first, -1)[..., 0]
        return chosen, np.take_along_axis(entropy, first, -1)[..., 0]


@dataclass(frozen=True, eq=False)
class Decided:
    """Decisions after thresholds: `predicted`, `left` (index into `EXITS`) and `labels`, all `([S,] n)`."""

    predicted: Ints
    left: Ints
    labels: Ints

    @property
    def accuracy(self) -> Floats:
        """Share of right decisions over the last axis."""
        return np.asarray((self.predicted == self.labels).mean(axis=-1))

    def share(self, exit_: Exit) -> Floats:
        """Share of samples that left at one exit over the last axis."""
        return np.asarray((self.left == EXITS.index(exit_)).mean(axis=-1))


def find_threshold(
    table: Table,
    *,
    exit_share: float | None = None,
    payload_bytes: float | None = None,
    accuracy: float | None = None,
    at: Exit | None = None,
    others: Mapping[Exit, float] | None = None,
) -> float:
    """Return the threshold of one exit that meets a target on the samples of `table` (`table.split` says which).

    Args:
        table: decisions of all cameras (no subset axis), see `Inference.table`.
        exit_share: leave at least this share of the samples here; the lowest such threshold.
        payload_bytes: spend at most so many bytes per camera per sample; the lowest such threshold.
        accuracy: be right on at least this share overall; the highest such threshold.
        at: the exit; the first one of the network unless given.
        others: thresholds of the other exits.

    Raises:
        UsageError: not exactly one target, or no threshold meets it.
    """
    if sum(target is not None for target in (exit_share, payload_bytes, accuracy)) != 1:
        raise UsageError("give one target: exit_share, payload_bytes or accuracy")
    at = at or next((name for name in EXITS if name in table.spec.exits and name != "cloud"), None)
    if at is None:
        raise UsageError("the network classifies in the cloud only: there is no threshold to find")
    candidates = _candidates(table._at(at)[1])
    if accuracy is not None:
        candidates = candidates[::-1]
    best = None
    for threshold in candidates:
        decided = table.decide({**(others or {}), at: float(threshold)})
        value = {"share": decided.share(at), "bytes": table.payload_bytes(decided), "right": decided.accuracy}
        if (
            (exit_share is not None and value["share"] >= exit_share)
            or (payload_bytes is not None and value["bytes"] <= payload_bytes)
            or (accuracy is not None and value["right"] >= accuracy)
        ):
            return float(threshold)
        best = value
    reached = ", ".join(f"{name} {float(number):.4g}" for name, number in (best or {}).items())
    raise UsageError(f"no threshold of exit {at!r} meets the target on the {table.split} samples; last: {reached}")


def _candidates(entropy: Floats) -> Floats:
    """Return a threshold for each way to cut the samples: 0, between neighbours, 1."""
    known = np.unique(entropy)
    return np.unique(np.r_[0.0, (known[1:] + known[:-1]) / 2, 1.0])


def build_table(inference: Inference, indices: Ints, works: Mask) -> Table:
    """Evaluate all exits for each row of `works (S, V)`, each distinct set of views of a sample once."""
    spec, sections = inference.spec, inference.sections
    scores, features, absent = inference.devices(indices)
    enabled = np.array([camera not in spec.off for camera in range(spec.cameras)])
    takes_part = works[:, None] & ~absent & enabled
    camera = sections.judge("device", scores) if spec.scored else None
    local = _local(sections, scores, takes_part) if "local" in spec.exits else None
    edge, cloud = _upstream(sections, features, takes_part)
    return Table(
        spec=spec,
        indices=indices,
        labels=inference.dataset.labels[indices],
        split=_split(inference, indices),
        takes_part=takes_part,
        camera_predicted=camera.predicted if camera else None,
        camera_entropy=camera.entropy if camera else None,
        local_predicted=local.predicted if local else None,
        local_entropy=local.entropy if local else None,
        edge_predicted=edge.predicted if edge else None,
        edge_entropy=edge.entropy if edge else None,
        cloud_predicted=cloud.predicted,
        cloud_entropy=cloud.entropy,
    )


def _local(sections: Sections, scores: F32, takes_part: Mask) -> Judgement:
    subsets, count, _ = takes_part.shape
    merged, known = [], []
    for gateway, group in enumerate(sections.spec.groups):
        repeated = np.broadcast_to(scores[:, list(group)], (subsets, *scores[:, list(group)].shape))
        flat = repeated.reshape(subsets * count, len(group), -1)
        one, some = sections.local(gateway, flat, takes_part[..., list(group)].reshape(subsets * count, -1))
        merged.append(one)
        known.append(some)
    judged = sections.judge("local", np.stack(merged, axis=1), np.stack(known, axis=1))
    shape = (subsets, count, len(merged))
    return Judgement(judged.predicted.reshape(shape), judged.entropy.reshape(shape), judged.scores)


def _upstream(sections: Sections, features: Bits, takes_part: Mask) -> tuple[Judgement | None, Judgement]:
    maps = exact.unpack(features.swapaxes(0, 1), sections.spec.device_map)
    run = _by_block if len(takes_part) == 1 else _by_sample
    outs = list(run(sections, maps, takes_part))
    known = np.concatenate([out.known for out in outs], axis=1)
    cloud = sections.judge(
        "cloud", np.concatenate([out.cloud_scores for out in outs], axis=1), np.asarray(known.any(axis=-1))
    )
    if "edge" not in sections.spec.exits:
        return None, cloud
    scores = np.concatenate([out.edge_scores for out in outs if out.edge_scores is not None], axis=1)
    return sections.judge("edge", scores, known), cloud


def _by_block(sections: Sections, maps: F32, takes_part: Mask) -> Iterator[Upstream]:
    """Many samples, one mask each."""
    for start in range(0, maps.shape[1], BLOCK):
        part = slice(start, start + BLOCK)
        yield _pick(sections.upstream(maps[:, part], takes_part[0, part]), np.s_[None, :])


def _by_sample(sections: Sections, maps: F32, takes_part: Mask) -> Iterator[Upstream]:
    """One sample under all its distinct masks: its maps are prepared once."""
    for sample in range(maps.shape[1]):
        masks, back = np.unique(takes_part[:, sample], axis=0, return_inverse=True)
        out = sections.upstream(maps[:, sample : sample + 1], masks)
        yield _pick(out, np.s_[back.reshape(-1), None])


def _pick(out: Upstream, rows: Any) -> Upstream:
    edge_scores = None if out.edge_scores is None else out.edge_scores[rows]
    return Upstream(edge_scores, None, out.known[rows], out.cloud_scores[rows])


def _split(inference: Inference, indices: Ints) -> str:
    data = inference.dataset
    for name, part in (("test", data.test), ("validation", inference.validation), ("train", data.train)):
        if len(indices) and np.isin(indices, part).all():
            return name
    return "mixed"
