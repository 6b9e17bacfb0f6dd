"""What the report of one run says: the verdict, the headline figures, the chapters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from analysis import run_chapters, words
from analysis.figures.accuracy import PER_SAMPLE
from analysis.load import Run, as_number, dig, missing_policy
from analysis.page import Expectation, Page, Tile, listed, shell_line
from analysis.statistics import wilson


def page(run: Run) -> Page:
    """The whole report of `run`."""
    return Page(
        title=f"{run.text('scenario', run.folder.name)}: one run",
        subtitle=_subtitle(run),
        verdict=verdict(run),
        tiles=tiles(run),
        sections=run_chapters.sections(run),
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
        text += f", {words.times(less)[:-1]} times less than sending raw images"
    shares = run.numbers("exits")
    early = [name for name in words.ordered_exits(shares) if name != "cloud" and shares[name] > 0]
    if early:
        places = [f"{words.percent(shares[n], 0)} {words.EXIT_PLACE.get(n, 'at ' + n)}" for n in early]
        places[0] = places[0].replace("%", "% left", 1)
        text += f"; {words.joined(places)}"
    dropped = run.number("samples.dropped")
    return text + (f"; {words.count(dropped)} dropped" if dropped > 0 else "") + "."


def tiles(run: Run) -> list[Tile]:
    """The headline figures; what is unknown is left out."""
    overall, payload = run.number("accuracy.overall"), run.number(f"{PER_SAMPLE}.payload")
    low, high = wilson(overall, run.number("samples.captured"))
    raw, less = run.number(f"{PER_SAMPLE}.raw"), run.number("bytes.reduction_vs_raw")
    shares = run.numbers("exits")
    early = sum(share for name, share in shares.items() if name != "cloud") if shares else math.nan
    p50, p95 = run.number("latency_s.all.p50"), run.number("latency_s.all.p95")
    dropped, lost = run.number("samples.dropped"), sum(run.numbers("lost").values())
    eq1 = run.number(f"{PER_SAMPLE}.eq1")
    says = f"Eq. 1 says {words.size(eq1)}" if math.isfinite(eq1) else ""
    confidence = f"95 % confidence: {words.percent(low)} to {words.percent(high)}"
    tiled = [
        (overall, Tile("accuracy", words.percent(overall), confidence)),
        (payload, Tile("payload per camera and sample", words.size(payload), says)),
        (less, Tile("less than raw offload", words.times(less), f"raw: {words.size(raw)}")),
        (early, Tile("left before the cloud", words.percent(early), "of all samples")),
        (p95, Tile("95 % decided within", words.seconds(p95), f"median {words.seconds(p50)}")),
        (dropped, Tile("samples dropped", words.count(dropped), f"{words.count(lost)} messages lost")),
    ]
    return [tile for value, tile in tiled if math.isfinite(value)]


def expectations(run: Run) -> list[Expectation]:
    """The outcomes of the scenario's `expect:` block."""
    rows = [row for row in run.summary.get("expect") or [] if isinstance(row, Mapping)]
    found = []
    for row in rows:
        value = row.get("value")
        shown = words.number(as_number(value)) if isinstance(value, int | float) else str(value or words.UNKNOWN)
        ok = row.get("ok")
        found.append(
            Expectation(
                str(row.get("what", "")), _signs(str(row.get("bound", ""))), shown, ok if isinstance(ok, bool) else None
            )
        )
    return found


def _signs(bound: str) -> str:
    return bound.replace(">=", "≥").replace("<=", "≤").replace("==", "=").replace("!=", "≠")


def warnings(run: Run) -> list[str]:
    """What a reader must know before believing the figures."""
    found = []
    if (status := run.text("status", "complete")) != "complete":
        found.append(f"The status of this run is “{status}”.")
    if (divergences := run.number("divergences")) > 0:
        found.append(
            f"{words.count(divergences)} messages that should have arrived were not brought by the broker in time."
        )
    broken = [name for name, ok in (run.summary.get("checks") or {}).items() if ok is False]
    if broken:
        found.append(f"The run's own check failed: {', '.join(broken)}.")
    if (unfired := int((run.faults.fired == False).sum())) > 0:  # noqa: E712 (nullable column)
        found.append(f"{words.count(unfired)} scheduled faults never fired.")
    return found


def command(run: Run) -> str:
    """The command that makes the same run again."""
    return shell_line(run.run.get("argv"))


def facts(run: Run) -> list[tuple[str, str]]:
    """How this run came about: what one needs to repeat or to doubt it."""
    broker = dig(run.run, "broker", {})
    broker_text = (
        " ".join(str(broker[k]) for k in ("name", "version") if broker.get(k))
        if isinstance(broker, Mapping)
        else str(broker)
    )
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
        ("Wall time", listed({k: words.seconds(as_number(v)) for k, v in dig(run.run, "wall_s", {}).items()})),
        ("Thresholds", listed(dig(run.summary, "thresholds", {}))),
        ("Missing cameras", missing_policy(run.scenario)),
        ("Network", listed({k: v for k, v in network.items() if k != "weights_sha256"})),
        ("Data", listed({k: v for k, v in dig(run.summary, "data", {}).items() if k != "sha256"})),
        ("Checks", listed({k: "holds" if v else "FAILED" for k, v in dig(run.summary, "checks", {}).items()})),
        ("Divergences", words.count(run.number("divergences"))),
        ("MQTT bytes", listed({k: words.count(as_number(v)) for k, v in dig(run.run, "mqtt_bytes", {}).items()})),
        ("Cost by tariff", words.number(run.number("cost"))),
        ("Versions", listed(dig(run.run, "versions", {}))),
        ("Source", str(run.run.get("git_commit") or "")),
        *((f"SHA-256 of {name}", str(value)) for name, value in dig(run.run, "sha256", {}).items()),
    )
    return [(label, value) for label, value in pairs if value and value != words.UNKNOWN]


def _subtitle(run: Run) -> str:
    parts = [
        run.text("mode"),
        f"seed {run.text('seed')}" if run.text("seed") else "",
        str(run.run.get("started") or "")[:10],
    ]
    return " · ".join(["FogFleet", *[part for part in parts if part]])
