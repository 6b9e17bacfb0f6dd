"""The figures that a run ends with on the terminal, out of `summary.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Summary = Mapping[str, Any]


def lines(summary: Summary) -> Iterator[str]:
    """One line a figure: a label of 11 columns and what there is to say."""
    for label, text in (
        ("samples", _samples(summary)),
        ("accuracy", _accuracy(summary)),
        ("bytes", _bytes(summary)),
        ("exits", _exits(summary)),
        ("latency", _latency(summary)),
        ("lost", _counts(summary["lost"]) or "nothing"),
        *_steered(summary),
        ("checks", _checks(summary)),
        *(("expect", _expectation(one)) for one in summary["expect"]),
    ):
        yield f"  {label:<9}{text}"


def _samples(summary: Summary) -> str:
    samples = summary["samples"]
    reasons = _counts(summary["dropped"])
    return f"{samples['captured']} captured, {samples['decided']} decided, {samples['dropped']} dropped" + (
        f" ({reasons})" if reasons else ""
    )


def _accuracy(summary: Summary) -> str:
    accuracy = summary["accuracy"]
    cameras = [value for value in accuracy["per_camera"].values() if value is not None]
    best = f"; the best single camera {_percent(max(cameras))}" if cameras else ""
    return (
        f"{_percent(accuracy['overall'])}{best}; always the commonest class {_percent(accuracy['baseline_majority'])}"
    )


def _bytes(summary: Summary) -> str:
    each = summary["bytes"]["per_device_per_sample"]
    reduction = summary["bytes"]["reduction_vs_raw"]
    times = "" if reduction is None else f", {reduction:.1f} times as much"
    return (
        f"{_number(each['payload'])} per camera and sample; Eq. 1 says {_number(each['eq1'])}; "
        f"raw images {_number(each['raw'])}{times}"
    )


def _exits(summary: Summary) -> str:
    accuracies = summary["accuracy"]["per_exit"]
    return ", ".join(
        f"{name} {_percent(share)} ({_percent(accuracies.get(name, {}).get('accuracy'))} right)"
        for name, share in summary["exits"].items()
    )


def _latency(summary: Summary) -> str:
    all_samples = summary["latency_s"]["all"]
    return ", ".join(f"{name} {_milliseconds(all_samples[key])}" for name, key in _PERCENTILES)


def _steered(summary: Summary) -> Iterator[tuple[str, str]]:
    """What policies and tenants came to, where there are any."""
    roles, thresholds = summary.get("failovers"), summary.get("retunes")
    if roles is not None:
        longest = "" if roles["took_s"] is None else f" ({_milliseconds(roles['took_s'])} at most)"
        nobody = f", nobody could take over {roles['nobody']} times" if roles["nobody"] else ""
        yield "failover", f"{roles['moved']} moved{longest}, {roles['returned']} returned{nobody}"
    if thresholds is not None:
        final = thresholds["final"]
        yield "retune", f"{thresholds['count']} new thresholds, last {final['lowest']:.3g} to {final['highest']:.3g}"
    for name, bill in (summary.get("tenants") or {}).items():
        refused = sum(value for key, value in bill.items() if key.startswith("refused_"))
        yield "tenant", f"{name}: cost {bill['cost']:.4g}" + (f", {refused} messages refused" if refused else "")


_PERCENTILES = (("median", "p50"), ("95th percentile", "p95"), ("longest", "max"))


def _checks(summary: Summary) -> str:
    text = ", ".join(f"{name} {'hold' if holds else 'BROKEN'}" for name, holds in summary["checks"].items())
    return f"{text}, {summary['divergences']} divergences from the model"


def _expectation(one: Mapping[str, Any]) -> str:
    value = one["value"]
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{one['what']} {one['bound']}: {shown}, {'met' if one['ok'] else 'NOT MET'}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _number(size: float | None) -> str:
    return "–" if size is None else f"{size:.4g} B"


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1000 * seconds:.0f} ms"
