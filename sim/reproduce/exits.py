"""Table I, Table II and Fig. 9: aggregations, thresholds, and communication against accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from sim import ddnn
from sim.reproduce import published
from sim.reproduce.lab import VALIDATION, Lab
from sim.reproduce.published import EXIT_SHARE, LETTERS
from sim.reproduce.tables import Readings, Result, Row, at_threshold, column, mean, percent, points, readings, told

NEAR: Final = 0.005
"""As good as the best: within half a point."""
BYTES: Final = 62
"""What the published network spends at T = 0.8."""


def table1(lab: Lab) -> Result:
    """The nine pairs of local and cloud aggregation."""
    pairs = list(published.PAIRS)
    found = readings(lab, [{"local": local, "cloud": cloud} for local, cloud in pairs])
    rows = []
    for (local, cloud), reading in zip(pairs, found, strict=True):
        name = f"{LETTERS[local]}-{LETTERS[cloud]}"
        theirs = told(reading, ("local", "cloud"), published.PAIRS[local, cloud], published.PAIRS_ARE)
        rows.append({"pair": name, **theirs, **told(reading, ("overall", "local_exit"))})
    return Result({"table1": rows}, _about_pairs(rows))


def _about_pairs(rows: Sequence[Row]) -> list[str]:
    ours = next(row for row in rows if row["pair"] == "MP-CC")
    best = {name: max(rows, key=lambda row, name=name: row[name]) for name in ("overall", "local", "cloud")}  # type: ignore[misc]
    told_best = "; ".join(
        f"best {name} accuracy: {row['pair']} with {percent(row[name])}"
        + ("" if row is ours else f" (MP-CC {percent(ours[name])})")
        for name, row in best.items()
    )
    top = best["overall"]
    behind = top["overall"] - ours["overall"]
    if top is ours:
        verdict = "As published, MP-CC is the best pair overall at T = 0.8."
    elif behind <= 0.01:
        verdict = f"Published is MP-CC as the best pair; here it is {points(behind)} behind the best, {top['pair']}."
    else:
        verdict = (
            f"Unlike the published result, MP-CC is not the best pair: overall it is {points(behind)} behind "
            f"{top['pair']}."
        )
    spreads = [_about_spread(rows, name) for name in ("local", "cloud")]
    return [verdict, f"{told_best[0].upper()}{told_best[1:]}.", *spreads]


def _about_spread(rows: Sequence[Row], name: str) -> str:
    """How much the choice of the pair matters at one exit, here and as published."""
    ours, theirs = ([row[column] for row in rows] for column in (name, f"{name}_published"))
    widths = max(ours) - min(ours), max(theirs) - min(theirs)
    where = "At the local exit" if name == "local" else "In the cloud"
    kind = "Unlike the published table: " if widths[0] < widths[1] / 2 else ""
    start = where[0].lower() + where[1:] if kind else where
    return (
        f"{kind}{start} the best and the worst pair are {points(widths[0])} apart (published, unverified: "
        f"{points(widths[1])})."
    )


def table2(lab: Lab) -> Result:
    """Eight thresholds: local exit share, accuracy, bytes as sent and by Eq. 1."""
    tried = list(published.THRESHOLDS)
    cases = [lab.case(seed, threshold=threshold) for seed in lab.seeds for threshold in [0.0, *tried]]
    found = lab.measure(cases)
    by_threshold = {threshold: found[place :: len(tried) + 1] for place, threshold in enumerate([0.0, *tried])}
    local, cloud = (column(by_threshold[threshold], "accuracy.overall") for threshold in (1.0, 0.0))
    rows = []
    for threshold in tried:
        reading: Readings = {**at_threshold(by_threshold[threshold]), "local": local, "cloud": cloud}
        names = ("local_exit", "overall", "bytes")
        theirs = told(reading, names, published.THRESHOLDS[threshold], published.THRESHOLDS_ARE)
        rows.append({"threshold": threshold, **theirs, **told(reading, ("eq1", "local", "cloud"))})
    return Result({"table2": rows}, _about_thresholds(rows, mean(local), mean(cloud)))


def _about_thresholds(rows: Sequence[Row], local: float, cloud: float) -> list[str]:
    best = max(row["overall"] for row in rows)
    good = [row for row in rows if row["local_exit"] >= 0.6 and row["overall"] >= best - NEAR and row["bytes"] <= BYTES]
    said = [f"All local is right in {percent(local)} of the samples, all in the cloud in {percent(cloud)}."]
    if good:
        row = max(good, key=lambda row: row["overall"])
        said.append(
            f"As published, most samples need not go up: at T = {row['threshold']:g} {percent(row['local_exit'])} "
            f"leave locally, {percent(row['overall'])} are right (the best threshold: {percent(best)}) at "
            f"{row['bytes']:.0f} bytes per camera and sample."
        )
    else:
        said.append(
            f"Unlike the published result, no threshold lets 60 % leave locally within half a point of the best "
            f"({percent(best)}) and at {BYTES} bytes or less."
        )
    said.append(_about_cloud(best, cloud))
    gaps = {row["threshold"]: row["local_exit"] - row["local_exit_published"] for row in rows}
    widest = max(gaps, key=lambda threshold: abs(gaps[threshold]))
    if abs(gaps[widest]) > 0.1:
        more = "more" if gaps[widest] > 0 else "less"
        said.append(
            f"The entropies are spread otherwise: at T = {widest:g} {points(gaps[widest])} {more} leave locally than "
            "published, so thresholds do not carry over from one network to the other."
        )
    return said


def _about_cloud(best: float, cloud: float) -> str:
    """Whether local exits make the whole better than the cloud alone, as published."""
    theirs, ends = max(row["overall"] for row in published.THRESHOLDS.values()), published.ENDS["cloud"]
    said = f"At the best threshold {percent(theirs)} are published, more than the cloud's own {percent(ends)}; "
    gain = best - cloud
    if gain > NEAR:
        return f"{said}so it is here: {points(gain)} more."
    return f"{said}unlike that, here it is as good as the cloud alone ({percent(cloud)}), not better."


def fig9(lab: Lab) -> Result:
    """Two device blocks of 4 and f filters, T chosen so that 70 % of the samples leave locally."""
    settings: list[dict[str, Any]] = [_two_blocks(lab, filters) for filters in published.FILTERS]
    ends = readings(lab, settings)
    cases = [
        lab.case(seed, threshold=_threshold(lab, setting, seed), **setting)
        for setting in settings
        for seed in lab.seeds
    ]
    found, count = lab.measure(cases), len(lab.seeds)
    rows = []
    for place, (filters, theirs) in enumerate(published.FILTERS.items()):
        part = slice(place * count, (place + 1) * count)
        reading = {**ends[place], **at_threshold(found[part]), "threshold": [case.threshold for case in cases[part]]}
        names = ("local", "cloud", "overall", "local_exit", "bytes")
        rows.append({"filters": filters, **told(reading, ("threshold",)), **told(reading, names, theirs)})
    return Result({"fig9": rows}, _about_filters(rows, lab))


def _two_blocks(lab: Lab, filters: int) -> dict[str, Any]:
    setting: dict[str, Any] = {"blocks": 2, "filters": filters}
    if lab.wanted.chosen_on == "validation":
        setting["validation"] = lab.scenario.model.training.validation or VALIDATION
    return setting


def _threshold(lab: Lab, setting: Mapping[str, Any], seed: int) -> float:
    prepared = lab.prepared(lab.case(seed, **setting))
    inference = prepared.network.inference(prepared.dataset)
    chosen = inference.validation if lab.wanted.chosen_on == "validation" else prepared.dataset.test
    return ddnn.find_threshold(inference.table(chosen), exit_share=EXIT_SHARE, at="local")


def _about_filters(rows: Sequence[Row], lab: Lab) -> list[str]:
    first, last = rows[0], rows[-1]
    grows = all(after["overall"] >= before["overall"] for before, after in pairwise(rows))
    gain = last["overall"] - first["overall"]
    where = "test samples, as the authors did" if lab.wanted.chosen_on == "test" else "validation samples"
    said = [f"T was chosen on the {where}."]
    if gain > 0.01:
        said.append(
            f"As published, more filters are more often right{'' if grows else ', though not at every step'}, for more "
            f"bytes: from {percent(first['overall'])} at {first['bytes']:.0f} bytes to {percent(last['overall'])} at "
            f"{last['bytes']:.0f}."
        )
    else:
        said.append(
            f"Unlike the published result, more filters hardly help: {percent(first['overall'])} with one filter, "
            f"{percent(last['overall'])} with {last['filters']}."
        )
    return said
