"""The chapters of the report of one run: each with its finding, figures and tables."""

from __future__ import annotations

import math

import pandas as pd

from analysis import cost_chapter, governance_chapter, journey, words
from analysis.drawing import Plot
from analysis.figures import accuracy, fleet, timing, verdicts
from analysis.figures import journey as journey_figures
from analysis.figures.accuracy import PER_SAMPLE
from analysis.load import Run, as_number, dig
from analysis.page import Section
from analysis.statistics import wilson
from analysis.tables import Table


def sections(run: Run) -> list[Section]:
    """The chapters that have something to show."""
    chapters = (
        _accuracy, cost_chapter.section, _fleet, _exits, _cameras, _latency, _faults, governance_chapter.section,
        governance_chapter.tenants, _wrong,
    )  # fmt: skip
    told = [chapter(run) for chapter in chapters]
    return [section for section in told if section.plots or any(len(table.frame) for table in section.tables)]


def _some(*plots: Plot | None) -> list[Plot]:
    return [plot for plot in plots if plot is not None]


def _accuracy(run: Run) -> Section:
    points = accuracy.curve(run)
    raw = run.number(f"{PER_SAMPLE}.raw")
    points["less"] = raw / points.payload_bytes
    heads = {
        "threshold": "T", "local_share": "leave early", "accuracy": "accuracy", "local_accuracy": "first exit alone",
        "cloud_accuracy": "cloud alone", "payload_bytes": "payload", "less": "less than raw",
    }  # fmt: skip
    kinds = dict.fromkeys(("local_share", "accuracy", "local_accuracy", "cloud_accuracy"), "percent")
    table = Table(
        "threshold_curve", "Every threshold: accuracy, share that leaves early, bytes", points,
        {**kinds, "threshold": "number", "payload_bytes": "size", "less": "times"}, heads,
        "What this network would do on these samples without faults.",
    )  # fmt: skip
    name, best = accuracy.best_camera(run)
    overall = run.number("accuracy.overall")
    finding = f"This run is right in {words.percent(overall)} of its samples."
    if math.isfinite(best) and math.isfinite(overall):
        difference = f"{words.number(100 * abs(overall - best), 3)} points {'less' if best <= overall else 'more'}"
        finding = (
            f"The fleet is right in {words.percent(overall)} of its samples; its best single camera ({name}) would "
            f"alone be right in {words.percent(best)}, {difference}."
        )
    plots = _some(accuracy.against_bytes(run), accuracy.over_threshold(run))
    return Section("accuracy", "Accuracy against bytes", finding, plots, [table])


def _fleet(run: Run) -> Section:
    frame, summed = fleet.node_table(run)
    kinds = {
        **dict.fromkeys(("captured", "sent", "received", "nodes"), "count"), "bytes_up": "size", "bytes_down": "size",
        "energy_j": "joules", "busy_s": "seconds", "mean_w": "watts", "battery_life_s": "seconds", "cost": "number",
    }  # fmt: skip
    heads = {"bytes_up": "bytes up", "bytes_down": "bytes down", "energy_j": "energy", "busy_s": "busy"}
    heads |= {"mean_w": "mean power", "battery_life_s": "battery lasts"}
    table = Table(
        "nodes", "Nodes, summed by role" if summed else "Every node", frame,
        {name: kind for name, kind in kinds.items() if name in frame}, heads,
    )  # fmt: skip
    nodes, sites = dig(run.summary, "topology.nodes", []), run.number("topology.sites")
    roles = pd.Series([str(node.get("role")) for node in nodes], dtype="object").value_counts()
    listed = ", ".join(
        f"{roles[r]} {r}{'s' if roles[r] != 1 and r != 'cloud' else ''}"
        for r in words.ROLE_ORDER
        if r in roles and (r != "cloud" or not sites > 1)
    )
    finding = f"{words.count(sites)} sites that share one cloud; in each {listed}" if sites > 1 else listed
    joules, decided = fleet.total_energy(run), run.number("samples.decided")
    if joules > 0 and decided > 0:
        finding += f"; {words.joules(joules)} in all, {words.joules(joules / decided)} for each decided sample"
        of_cameras = run.number("energy.by_role.camera.per_decision_j")
        finding += f", {words.joules(of_cameras)} of it the cameras'" if math.isfinite(of_cameras) else ""
    life = run.number("energy.battery_life_s")
    if math.isfinite(life):
        finding += f"; the first battery is empty after {words.seconds(life)}"
    return Section(
        "fleet",
        "Fleet and energy",
        (finding or "The nodes of this run") + ".",
        _some(fleet.topology(run), fleet.energy(run)),
        [table],
    )


def _exits(run: Run) -> Section:
    shares, rated = run.numbers("exits"), dig(run.summary, "accuracy.per_exit", {})
    rows = []
    for name in words.ordered_exits(shares):
        entry = rated.get(name) or {}
        share_right, n = as_number(entry.get("accuracy")), as_number(entry.get("samples"))
        low, high = wilson(share_right, n)
        threshold = as_number(dig(run.summary, "thresholds", {}).get(name))
        rows.append((name, threshold, n, shares[name], share_right, low, high))
    frame = pd.DataFrame(rows, columns=["exit", "T", "samples", "share", "accuracy", "low", "high"])
    kinds = {"T": "number", "samples": "count"} | dict.fromkeys(("share", "accuracy", "low", "high"), "percent")
    table = Table("exits", "Exits", frame, kinds, {"low": "95 % from", "high": "to"})
    dropped = [(reason, n) for reason, n in run.numbers("dropped").items() if n > 0]
    dropped.sort(key=lambda pair: -pair[1])
    by_reason = pd.DataFrame(dropped, columns=["reason", "samples"])
    reasons = Table("dropped", "Dropped samples by reason", by_reason, {"samples": "count"})
    listed = [
        f"{words.percent(shares[n])} of the samples left {words.EXIT_PLACE.get(n, n)}"
        + (f" ({words.percent(as_number((rated.get(n) or {}).get('accuracy')))} of them right)" if n in rated else "")
        for n in words.ordered_exits(shares)
    ]
    finding = "; ".join(listed) if listed else "No sample reached an exit"
    return Section("exits", "Exits", finding + ".", _some(verdicts.by_exit(run)), [table, reasons])


def _cameras(run: Run) -> Section:
    ranked = sorted(run.numbers("accuracy.per_camera").items(), key=lambda pair: -pair[1])
    frame = pd.DataFrame(ranked, columns=["camera", "accuracy"])
    frame["gain"] = run.number("accuracy.overall") - frame.accuracy
    table = Table(
        "cameras",
        "Each camera alone",
        frame,
        {"accuracy": "percent", "gain": "points"},
        {"gain": "fleet against it"},
        aside=True,
    )
    counts = verdicts.confusion_counts(run)
    matrix = Table(
        "confusion", "Verdicts by true class", counts.rename_axis("true class").reset_index(),
        dict.fromkeys(map(str, counts.columns), "count"), aside=True,
    )  # fmt: skip
    finding = "No camera was rated alone."
    if len(ranked) == 1:
        finding = (
            f"The one camera, {ranked[0][0]}, would alone be right in {words.percent(ranked[0][1])} of the samples."
        )
    elif ranked:
        finding = (
            f"Alone, the cameras reach from {words.percent(ranked[-1][1])} to {words.percent(ranked[0][1])}; "
            f"together {words.percent(run.number('accuracy.overall'))}."
        )
    return Section(
        "cameras",
        "Cameras and classes",
        finding,
        _some(verdicts.by_camera(run), verdicts.confusion(run)),
        [table, matrix],
    )


def _latency(run: Run) -> Section:
    frame = timing.latency_table(run)
    kinds = {"verdicts": "count"} | dict.fromkeys(("mean", "p50", "p90", "p95", "p99", "max"), "seconds")
    heads = {"p50": "median"} | {f"p{p}": f"{p} % within" for p in (90, 95, 99)}
    transit = timing.transit_table(run)
    on_the_way = Table(
        "transit", "Time on the way, by link and kind of message", transit,
        {"messages": "count", "median": "seconds", "p95": "seconds", "max": "seconds"}, {"p95": "95 % within"},
        "From sending to arrival: queue, transmission, propagation, and retries.",
    )  # fmt: skip
    parts = journey.parts(run)
    spent = Table(
        "where_time_goes", "Where the time goes: means from capture to verdict", journey_figures.table(parts),
        {"verdicts": "count"} | dict.fromkeys([*journey.PARTS, "total"], "seconds") if len(parts) else {},
        note="; ".join(f"{part}: {meaning}" for part, meaning in journey.PARTS.items()) + ".", aside=True,
    )  # fmt: skip
    finding = "No sample was decided."
    if len(frame):
        first = frame.to_dict("records")[0]
        finding = (
            f"Half of the verdicts came within {words.seconds(first['p50'])} of the capture, 95 % within "
            f"{words.seconds(first['p95'])}; the slowest took {words.seconds(first['max'])}."
        )
    table = Table("latency", "From capture to verdict", frame, kinds if len(frame) else {}, heads)
    drawn = timing.latency(run), journey_figures.where_time_goes(parts), *_queues(run, beside_faults=False)
    plots = _some(*drawn)
    return Section("latency", "Latency", finding + _spent(parts), plots, [table, spent, on_the_way])


def _queues(run: Run, *, beside_faults: bool) -> list[Plot | None]:
    """Queue lengths, under the timeline of faults where there is one."""
    return [journey_figures.queues(run, timing.end_of(run))] if beside_faults is not run.faults.empty else []


def _spent(parts: pd.DataFrame) -> str:
    """The part that takes most, in a sentence; nothing where the folder does not tell."""
    if parts.empty:
        return ""
    means = parts[list(journey.PARTS)].mean()
    most = str(means.idxmax())
    share = words.percent(float(means[most] / means.sum()))
    return f" Most of it, {share}, goes to {most} ({journey.PARTS[most]})."


def _faults(run: Run) -> Section:
    frame = run.faults.sort_values(["start_s", "kind", "target"], kind="stable", ignore_index=True)
    frame["fired"] = frame.fired.map({True: "yes", False: "no"})
    table = Table(
        "faults",
        "Every injection",
        frame,
        {"start_s": "seconds", "end_s": "seconds"},
        {"start_s": "start", "end_s": "end"},
    )
    kinds = ", ".join(f"{n} × {kind}" for kind, n in frame.kind.value_counts().items())
    return Section(
        "faults",
        "Faults",
        f"{words.count(len(frame))} injections: {kinds}.",
        _some(timing.faults(run), *_queues(run, beside_faults=True)),
        [table],
    )


def _wrong(run: Run) -> Section:
    frame = run.decisions
    wrong = frame[(frame.predicted != frame.label).fillna(True)]
    names = dict(enumerate(map(str, dig(run.summary, "data.classes", []))))
    table = wrong[["site", "sample", "label", "predicted", "fate", "entropy", "devices_used", "captured_s"]].copy()
    for column in ("label", "predicted"):
        table[column] = [("" if pd.isna(v) else names.get(int(v), str(v))) for v in table[column]]
    heads = {"entropy": "entropy η", "devices_used": "cameras used", "captured_s": "captured at"}
    shown = Table(
        "wrong_samples", "Samples that were wrong or dropped", table,
        {"sample": "count", "entropy": "number", "devices_used": "count", "captured_s": "seconds"}, heads,
    )  # fmt: skip
    finding = f"{words.count(len(wrong))} of {words.count(len(frame))} samples were wrong or dropped."
    return Section("wrong", "What went wrong", finding, (), [shown])
