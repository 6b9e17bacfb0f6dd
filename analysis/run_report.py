"""What the report of one run says: the verdict, the headline figures, the chapters."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import pandas as pd

from analysis import words
from analysis.drawing import BYTE_NAME, Plot
from analysis.figures import accuracy, fleet, timing, traffic
from analysis.figures.accuracy import PER_SAMPLE
from analysis.load import Run, as_number, dig
from analysis.page import Expectation, Page, Section, Tile
from analysis.statistics import wilson
from analysis.tables import Table

RAW_TERM = "raw offload"


def page(run: Run) -> Page:
    """The whole report of `run`."""
    return Page(
        title=f"{run.text('scenario', run.folder.name)}: one run",
        subtitle=_subtitle(run),
        verdict=verdict(run),
        tiles=tiles(run),
        sections=[section for section in sections(run) if section.plots or any(len(t.frame) for t in section.tables)],
        facts=facts(run),
        command=command(run),
        expectations=expectations(run),
        warnings=warnings(run),
    )


def verdict(run: Run) -> str:
    """The run in one sentence."""
    captured, decided = run.number("samples.captured"), run.number("samples.decided")
    if not captured > 0:
        return "No sample was captured in this run, so there is nothing to judge."
    if decided == 0:
        return f"None of the {words.count(captured)} captured samples was decided: all were dropped."
    overall, payload = run.number("accuracy.overall"), run.number(f"{PER_SAMPLE}.payload")
    text = f"{words.percent(overall)} of {words.count(captured)} samples right"
    if math.isfinite(payload):
        text += f" with {words.size(payload)} of payload per camera and sample"
    less = run.number("bytes.reduction_vs_raw")
    if less > 1:
        text += f", {words.times(less)[:-2]} times less than sending raw images"
    shares = run.numbers("exits")
    early = [name for name in words.ordered_exits(shares) if name != "cloud" and shares[name] > 0]
    if early:
        listed = " and ".join(f"{words.percent(shares[n], 0)} left {words.EXIT_PLACE.get(n, 'at ' + n)}" for n in early)
        text += f"; {listed}"
    dropped = run.number("samples.dropped")
    return text + (f"; {words.count(dropped)} dropped" if dropped > 0 else "") + "."


def tiles(run: Run) -> list[Tile]:
    """The headline figures; what is unknown is left out."""
    overall, captured = run.number("accuracy.overall"), run.number("samples.captured")
    low, high = wilson(overall, captured)
    payload, eq1 = run.number(f"{PER_SAMPLE}.payload"), run.number(f"{PER_SAMPLE}.eq1")
    shares = run.numbers("exits")
    early = sum(share for name, share in shares.items() if name != "cloud")
    lost = sum(run.numbers("lost").values())
    dropped = run.number("samples.dropped")
    listed = [
        (overall, Tile("accuracy", words.percent(overall), f"95 % confidence: {words.percent(low)} to {words.percent(high)}")),
        (payload, Tile("payload per camera and sample", words.size(payload), f"Eq. 1 says {words.size(eq1)}")),
        (
            run.number("bytes.reduction_vs_raw"),
            Tile("less than raw offload", words.times(run.number("bytes.reduction_vs_raw")), f"raw: {words.size(run.number(f'{PER_SAMPLE}.raw'))}"),
        ),
        (early if shares else math.nan, Tile("left before the cloud", words.percent(early), "of all samples")),
        (
            run.number("latency_s.all.p95"),
            Tile("95 % decided within", words.seconds(run.number("latency_s.all.p95")), f"median {words.seconds(run.number('latency_s.all.p50'))}"),
        ),
        (dropped, Tile("samples dropped", words.count(dropped), f"{words.count(lost)} messages lost")),
    ]  # fmt: skip
    return [tile for value, tile in listed if math.isfinite(value)]


def expectations(run: Run) -> list[Expectation]:
    """The outcomes of the scenario's `expect:` block."""
    rows = [row for row in run.summary.get("expect") or [] if isinstance(row, Mapping)]
    found = []
    for row in rows:
        value = row.get("value")
        shown = words.number(as_number(value)) if isinstance(value, int | float) else str(value or words.UNKNOWN)
        ok = row.get("ok")
        found.append(Expectation(str(row.get("what", "")), str(row.get("bound", "")), shown, ok if isinstance(ok, bool) else None))
    return found


def warnings(run: Run) -> list[str]:
    """What a reader must know before believing the figures."""
    found = []
    if (status := run.text("status", "complete")) != "complete":
        found.append(f"The status of this run is “{status}”.")
    if (divergences := run.number("divergences")) > 0:
        found.append(f"{words.count(divergences)} messages that should have arrived were not brought by the broker in time.")
    broken = [name for name, ok in (run.summary.get("checks") or {}).items() if ok is False]
    if broken:
        found.append(f"The run's own check failed: {', '.join(broken)}.")
    if (unfired := int((run.faults.fired == False).sum())) > 0:  # noqa: E712 (nullable column)
        found.append(f"{words.count(unfired)} scheduled faults never fired.")
    return found


def command(run: Run) -> str:
    """The command that makes the same run again."""
    argv = [str(part) for part in run.run.get("argv") or []]
    if not argv:
        return ""
    if PurePath(argv[0]).name in ("fogfleet", "__main__.py", "cli.py"):
        argv = argv[1:]
    return shlex.join(["fogfleet", *argv])


def sections(run: Run) -> list[Section]:
    """All chapters, also those that turn out empty."""
    return [_accuracy(run), _traffic(run), _fleet(run), _exits(run), _cameras(run), _latency(run), _faults(run), _wrong(run)]


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
        points_better = 100 * (overall - best)
        finding = (
            f"The fleet is right in {words.percent(overall)} of its samples; its best single camera ({name}) alone would "
            f"be right in {words.percent(best)}, {words.number(abs(points_better), 3)} points "
            f"{'less' if points_better >= 0 else 'more'}."
        )
    plots = _some(accuracy.against_bytes(run), accuracy.over_threshold(run))
    return Section("accuracy", "Accuracy against bytes", finding, plots, [table])


def _traffic(run: Run) -> Section:
    per = {part: run.number(f"{PER_SAMPLE}.{part}") for part in traffic.PARTS}
    payload, eq1, raw = per["payload"], run.number(f"{PER_SAMPLE}.eq1"), run.number(f"{PER_SAMPLE}.raw")
    total = sum(value for value in per.values() if math.isfinite(value))
    finding = f"Each camera sent {words.size(payload)} of payload a sample"
    if math.isfinite(eq1) and math.isfinite(payload):
        same = math.isclose(payload, eq1, rel_tol=1e-9)
        finding += ", exactly what Eq. 1 says" if same else f", where Eq. 1 says {words.size(eq1)}"
    if raw > payload > 0:
        finding += (
            f": {words.times(raw / payload)} less than raw offload. With header, MQTT framing and TCP/IP it is "
            f"{words.size(total)}, still {words.times(raw / total)} less than the bare raw image"
            if total < raw
            else f": {words.times(raw / payload)} less than raw offload"
        )
    plots = _some(traffic.per_sample(run), traffic.by_link_and_kind(run), traffic.lost(run))
    tables = [_raw_table(run, per, eq1, raw), _split_table(run, "by_link", "link"), _split_table(run, "by_kind", "kind")]
    return Section("communication", "Communication cost", finding + ".", plots, tables)


def _raw_table(run: Run, per: Mapping[str, float], eq1: float, raw: float) -> Table:
    def upto(*parts: str) -> float:
        return sum(per[part] for part in parts)

    rows = [
        (f"{RAW_TERM} (the image alone)", raw),
        ("Eq. 1", eq1),
        ("measured payload", upto("payload")),
        ("payload + header", upto("payload", "header")),
        ("payload + header + MQTT framing", upto("payload", "header", "mqtt")),
        ("payload + header + MQTT framing + TCP/IP (estimate)", upto(*traffic.PARTS)),
    ]
    frame = pd.DataFrame([row for row in rows if math.isfinite(row[1])], columns=["counted", "bytes"])
    frame["of_raw"], frame["less"] = frame["bytes"] / raw, raw / frame["bytes"].where(frame["bytes"] > 0)
    return Table(
        "bytes_per_sample", "Bytes per camera and sample, beside raw offload", frame,
        {"bytes": "size", "of_raw": "percent", "less": "times"},
        {"bytes": "per camera and sample", "of_raw": "of raw", "less": "less than raw"},
        "Raw offload is counted without any framing, so the comparison favours it.",
    )  # fmt: skip


def _split_table(run: Run, by: str, what: str) -> Table:
    frame = traffic.split(run, by).rename_axis(what).reset_index().dropna(axis="columns", how="all")
    frame[what] = frame[what].astype(str).str.replace("->", " → ")
    kinds = {**dict.fromkeys([*traffic.PARTS, "total"], "size"), **dict.fromkeys(("messages", "delivered", "lost"), "count")}
    return Table(
        f"bytes_{by}", f"Bytes by {'link' if by == 'by_link' else 'kind of message'}", frame,
        {name: kind for name, kind in kinds.items() if name in frame}, dict(BYTE_NAME),
    )  # fmt: skip


def _fleet(run: Run) -> Section:
    frame, summed = fleet.node_table(run)
    kinds = {
        **dict.fromkeys(("captured", "sent", "received", "nodes"), "count"), "bytes_up": "size", "bytes_down": "size",
        "energy_j": "joules", "busy_s": "seconds", "cost": "number",
    }  # fmt: skip
    heads = {"bytes_up": "bytes up", "bytes_down": "bytes down", "energy_j": "energy", "busy_s": "busy"}
    table = Table(
        "nodes", "Nodes, summed by role" if summed else "Every node", frame,
        {name: kind for name, kind in kinds.items() if name in frame}, heads,
    )  # fmt: skip
    nodes = dig(run.summary, "topology.nodes", [])
    roles = pd.Series([str(node.get("role")) for node in nodes], dtype="object").value_counts()
    listed = ", ".join(f"{roles[r]} {r}{'s' if roles[r] != 1 and r != 'cloud' else ''}" for r in words.ROLE_ORDER if r in roles)
    sites = run.number("topology.sites")
    finding = f"{listed.capitalize()}" + (f" in each of {words.count(sites)} sites (one cloud for all)" if sites > 1 else "")
    joules, decided = fleet.total_energy(run), run.number("samples.decided")
    if joules > 0 and decided > 0:
        finding += f"; {words.joules(joules)} in all, {words.joules(joules / decided)} for each decided sample"
    return Section("fleet", "Fleet and energy", (finding or "The nodes of this run") + ".", _some(fleet.topology(run), fleet.energy(run)), [table])


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
    dropped = {reason: n for reason, n in run.numbers("dropped").items() if n > 0}
    lost = pd.DataFrame(sorted(dropped.items(), key=lambda pair: -pair[1]), columns=["reason", "samples"])
    reasons = Table("dropped", "Dropped samples by reason", lost, {"samples": "count"})
    listed = [
        f"{words.percent(shares[n])} of the samples left {words.EXIT_PLACE.get(n, n)}"
        + (f" ({words.percent(as_number((rated.get(n) or {}).get('accuracy')))} of them right)" if n in rated else "")
        for n in words.ordered_exits(shares)
    ]
    finding = "; ".join(listed) if listed else "No sample reached an exit"
    return Section("exits", "Exits", finding + ".", _some(accuracy.by_exit(run)), [table, reasons])


def _cameras(run: Run) -> Section:
    ranked = sorted(run.numbers("accuracy.per_camera").items(), key=lambda pair: -pair[1])
    frame = pd.DataFrame(ranked, columns=["camera", "accuracy"])
    frame["gain"] = run.number("accuracy.overall") - frame.accuracy
    table = Table(
        "cameras", "Each camera alone", frame, {"accuracy": "percent", "gain": "percent"}, {"gain": "the fleet is better by"}
    )
    counts = accuracy.confusion_counts(run)
    matrix = Table(
        "confusion", "Verdicts by true class", counts.rename_axis("true class").reset_index(),
        dict.fromkeys(map(str, counts.columns), "count"),
    )  # fmt: skip
    finding = "No camera was rated alone."
    if ranked:
        finding = f"Alone, the cameras reach from {words.percent(ranked[-1][1])} to {words.percent(ranked[0][1])}; together {words.percent(run.number('accuracy.overall'))}."
    return Section("cameras", "Cameras and classes", finding, _some(accuracy.by_camera(run), accuracy.confusion(run)), [table, matrix])


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
    finding = "No sample was decided."
    if len(frame):
        first = frame.iloc[0]
        finding = f"Half of the verdicts came within {words.seconds(first.p50)} of the capture, 95 % within {words.seconds(first.p95)}; the slowest took {words.seconds(first['max'])}."
    table = Table("latency", "From capture to verdict", frame, kinds if len(frame) else {}, heads)
    return Section("latency", "Latency", finding, _some(timing.latency(run)), [table, on_the_way] if len(transit) else [table])


def _faults(run: Run) -> Section:
    frame = run.faults.sort_values(["start_s", "kind", "target"], kind="stable", ignore_index=True)
    frame["fired"] = frame.fired.map({True: "yes", False: "no"})
    table = Table(
        "faults", "Every injection", frame, {"start_s": "seconds", "end_s": "seconds"}, {"start_s": "start", "end_s": "end"}
    )
    kinds = ", ".join(f"{n} × {kind}" for kind, n in frame.kind.value_counts().items())
    return Section("faults", "Faults", f"{words.count(len(frame))} injections: {kinds}.", _some(timing.faults(run)), [table])


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


def facts(run: Run) -> list[tuple[str, str]]:
    """How this run came about: what one needs to repeat or to doubt it."""
    broker = dig(run.run, "broker", {})
    broker_text = " ".join(str(broker[k]) for k in ("name", "version") if broker.get(k)) if isinstance(broker, Mapping) else str(broker)
    if isinstance(broker, Mapping) and broker.get("protocol"):
        broker_text += f", MQTT {broker['protocol']}"
    network = dig(run.summary, "network", {})
    pairs: Iterable[tuple[str, str]] = (
        ("Scenario", run.text("scenario")),
        ("Run", run.text("id", run.folder.name)),
        ("Seed", run.text("seed")),
        ("Mode", run.text("mode")),
        ("Broker", broker_text),
        ("Started", str(run.run.get("started") or "")),
        ("Simulated time", words.seconds(as_number(run.run.get("virtual_s", run.summary.get("virtual_s"))))),
        ("Wall time", _listed({k: words.seconds(as_number(v)) for k, v in dig(run.run, "wall_s", {}).items()})),
        ("Thresholds", _listed(dig(run.summary, "thresholds", {}))),
        ("Network", _listed({k: v for k, v in network.items() if k != "weights_sha256"})),
        ("Data", _listed({k: v for k, v in dig(run.summary, "data", {}).items() if k != "sha256"})),
        ("Checks", _listed({k: "holds" if v else "FAILED" for k, v in dig(run.summary, "checks", {}).items()})),
        ("Divergences", words.count(run.number("divergences"))),
        ("Cost by tariff", words.number(run.number("cost"))),
        ("Versions", _listed(dig(run.run, "versions", {}))),
        ("Source", str(run.run.get("git_commit") or "")),
        *((f"SHA-256 of {name}", str(value)) for name, value in dig(run.run, "sha256", {}).items()),
    )
    return [(label, value) for label, value in pairs if value and value != words.UNKNOWN]


def _listed(values: Any) -> str:
    if isinstance(values, Mapping):
        return ", ".join(f"{key} {_listed(value)}" for key, value in values.items() if value is not None)
    if isinstance(values, Sequence) and not isinstance(values, str):
        return "/".join(map(str, values))
    return str(values)


def _subtitle(run: Run) -> str:
    parts = [run.text("mode"), f"seed {run.text('seed')}" if run.text("seed") else "", str(run.run.get("started") or "")[:10]]
    return " · ".join(["FogFleet", *[part for part in parts if part]])
