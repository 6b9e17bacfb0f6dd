"""Writes run and sweep folders with the shape of real ones and plausible random figures, for the tests of analysis."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

CLASSES = ("car", "bus", "person")


def write_run(
    folder: Path,
    *,
    cameras: int = 6,
    sites: int = 1,
    samples: int = 171,
    threshold: float | None = 0.8,
    faulty: bool = False,
    drop_all: bool = False,
    seed: int = 7,
) -> Path:
    """A run folder; `threshold=None` leaves the cloud as the only exit, `drop_all` decides no sample."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    decisions = _decisions(rng, sites, samples, cameras, threshold, faulty, drop_all)
    messages = _messages(rng, decisions, cameras, faulty)
    faults = _faults(rng, cameras, faulty)
    nodes = _nodes(rng, sites, cameras, samples, messages)
    for name, frame in {"decisions": decisions, "messages": messages, "faults": faults, "nodes": nodes}.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    summary = _summary(rng, decisions, messages, cameras, sites, threshold, faulty)
    (folder / "summary.json").write_text(json.dumps(summary, indent=1))
    (folder / "run.json").write_text(json.dumps(_run(seed), indent=1))
    return folder


def _decisions(
    rng: np.random.Generator,
    sites: int,
    samples: int,
    cameras: int,
    threshold: float | None,
    faulty: bool,
    drop_all: bool,
) -> pd.DataFrame:
    n = sites * samples
    label = rng.choice(3, n, p=[0.5, 0.2, 0.3])
    entropy = np.clip(rng.beta(4, 2.2, n), 0, 1)
    local = entropy < (threshold if threshold is not None else -1)
    right = rng.random(n) < np.where(local, 0.99, 0.93)
    predicted = np.where(right, label, (label + 1 + rng.integers(0, 2, n)) % 3)
    captured = np.tile(np.arange(samples, dtype=float), sites)
    latency = np.where(local, rng.gamma(8, 0.004, n) + 0.01, rng.gamma(6, 0.02, n) + 0.1)
    exits = np.where(local, "local", "cloud").astype(object)
    fate = exits.copy()
    dropped = np.full(n, drop_all) | (faulty & (rng.random(n) < 0.03))
    fate[dropped] = "dropped:gateway-down"
    return pd.DataFrame(
        {
            "site": np.repeat([f"site-{i}" for i in range(sites)], samples),
            "sample": np.tile(np.arange(samples, dtype=np.int32), sites),
            "label": label.astype(np.int16),
            "predicted": pd.array(np.where(dropped, np.nan, predicted), dtype="Int16"),
            "exit": pd.Series(exits).mask(dropped),
            "entropy": np.where(dropped, np.nan, entropy),
            "captured_s": captured,
            "decided_s": np.where(dropped, np.nan, captured + latency),
            "devices_used": np.full(n, cameras, dtype=np.int16),
            "fate": fate,
        }
    )


def _messages(rng: np.random.Generator, decisions: pd.DataFrame, cameras: int, faulty: bool) -> pd.DataFrame:
    rows = decisions.loc[decisions.index.repeat(cameras)].reset_index(drop=True)
    source = [f"cam.{i}" for i in range(cameras)] * len(decisions)
    scores = pd.DataFrame({"site": rows.site, "sample": rows["sample"], "src": source, "dst": "gw", "kind": "scores"})
    scores["sent_s"], scores["payload_bytes"] = rows.captured_s + 0.004, 12
    up = scores[(rows.fate == "cloud").to_numpy()].copy()
    request = up.assign(kind="request", src="gw", dst=up.src, payload_bytes=0, sent_s=up.sent_s + 0.02)
    features = up.assign(kind="features", payload_bytes=128, sent_s=up.sent_s + 0.03)
    forwarded = features.assign(src="gw", dst="cloud", sent_s=features.sent_s + 0.05)
    frame = pd.concat([scores, request, features, forwarded], ignore_index=True)
    frame["arrived_s"] = frame.sent_s + 0.005 + frame.payload_bytes * 8 / 250e3 + rng.exponential(0.001, len(frame))
    frame["header_bytes"], frame["mqtt_bytes"], frame["tcpip_bytes"] = 24, 96, 208
    lost = (rng.random(len(frame)) < 0.02) & faulty
    frame["fate"] = np.where(lost, "lost:link", "delivered")
    frame["fault"] = pd.Series("link-1", frame.index).where(lost)
    frame.loc[lost, "arrived_s"] = np.nan
    sizes = ["payload_bytes", "header_bytes", "mqtt_bytes", "tcpip_bytes"]
    frame = frame.astype(dict.fromkeys(sizes, "int32"))
    order = ["sent_s", "arrived_s", "src", "dst", "kind", "site", "sample", *sizes, "fate", "fault"]
    return frame[order].sort_values(["sent_s", "src", "dst"], ignore_index=True)


def _faults(rng: np.random.Generator, cameras: int, faulty: bool) -> pd.DataFrame:
    rows = [
        ("crash", f"cam.{min(3, cameras - 1)}", 20.0, 50.0),
        ("jam", "cam->gw", 80.0, 95.0),
        ("crash", "gw", 120.0, 124.0),
    ]
    rows += [("blur", f"cam.{rng.integers(cameras)}", t, t) for t in np.sort(rng.uniform(0, 171, 12)).round(2)]
    frame = pd.DataFrame(rows if faulty else [], columns=["kind", "target", "start_s", "end_s"])
    return frame.astype({"start_s": float, "end_s": float}).assign(parameters="{}", fired=True)


def _nodes(rng: np.random.Generator, sites: int, cameras: int, samples: int, messages: pd.DataFrame) -> pd.DataFrame:
    one = [(f"cam.{i}", "camera", "eyes-of-things") for i in range(cameras)] + [("gw", "gateway", "raspberry-pi-3b")]
    rows = [(f"site-{s}", *node) for s in range(sites) for node in one] + [("", "cloud", "cloud", "server")]
    frame = pd.DataFrame(rows, columns=["site", "node", "role", "profile"])
    camera = frame.role == "camera"
    frame["captured"] = np.where(camera, samples, 0)
    frame["sent"], frame["received"] = samples, samples // 2
    frame["bytes_up"] = np.where(camera, rng.integers(6000, 12000, len(frame)), 60000)
    frame["bytes_down"] = rng.integers(500, 900, len(frame))
    frame["energy_j"] = np.where(camera, 51.3, 240.0) + rng.normal(0, 1, len(frame))
    frame["busy_s"] = rng.gamma(4, 0.2, len(frame))
    return frame.assign(cost=0.0)


def _summary(
    rng: np.random.Generator,
    decisions: pd.DataFrame,
    messages: pd.DataFrame,
    cameras: int,
    sites: int,
    threshold: float | None,
    faulty: bool,
) -> dict[str, Any]:
    n = len(decisions)
    decided = decisions[decisions.predicted.notna()]
    correct = (decided.predicted == decided.label).astype(bool)
    share = {
        exit_: float((decided.exit == exit_).sum() / n) for exit_ in ("local", "cloud") if (decided.exit == exit_).any()
    }
    latency = (decided.decided_s - decided.captured_s).astype(float)
    local_share = share.get("local", 0.0)
    eq1 = 12 + (1 - local_share) * 4 * 256 / 8
    columns = ["payload", "header", "mqtt", "tcpip"]
    names = {f"{c}_bytes": c for c in columns}

    def totals(frame: pd.DataFrame) -> dict[str, int]:
        return {**{c: int(frame[f"{c}_bytes"].sum()) for c in columns}, "messages": len(frame)}

    camera_up = messages[messages.src.str.startswith("cam")].rename(columns=names)[columns].sum() / (n * cameras)
    links = {}
    for link, part in messages.groupby(messages.src.str.split(".").str[0] + "->" + messages.dst.str.split(".").str[0]):
        delivered = int((part.fate == "delivered").sum())
        links[link] = {**totals(part), "delivered": delivered, "lost": len(part) - delivered}
    return {
        "schema": 1,
        "scenario": "six-cameras",
        "seed": 7,
        "mode": "lockstep",
        "status": "complete",
        "samples": {"captured": n, "decided": len(decided), "dropped": n - len(decided)},
        "dropped": {"gateway-down": n - len(decided)} if len(decided) < n else {},
        "accuracy": {
            "overall": float(correct.sum() / n),
            "decided": float(correct.mean()) if len(decided) else None,
            "per_exit": {
                e: {"accuracy": float(correct[decided.exit == e].mean()), "samples": int((decided.exit == e).sum())}
                for e in share
            },
            "per_camera": {f"cam.{i}": float(v) for i, v in enumerate(np.linspace(0.37, 0.73, cameras))},
            "baseline_majority": 0.5,
        },
        "exits": share,
        "thresholds": {} if threshold is None else {"local": threshold},
        "bytes": {
            "per_device_per_sample": {**{c: float(camera_up[c]) for c in columns}, "eq1": eq1, "raw": 3072.0},
            "reduction_vs_raw": float(3072 / camera_up["payload"]),
            "total": {c: totals(messages)[c] for c in columns},
            "by_kind": {str(kind): totals(part) for kind, part in messages.groupby("kind")},
            "by_link": links,
        },
        "eq1": {"classes": 3, "filters": 4, "output_bits": 256, "local_share": local_share, "bytes": eq1},
        "curve": [] if threshold is None else _curve(),
        "latency_s": {
            "all": _percentiles(latency),
            **{e: _percentiles(latency[decided.exit == e]) for e in share},
        },
        "lost": {"link": int((messages.fate != "delivered").sum())} if faulty else {},
        "divergences": 0,
        "energy_j": 612.4,
        "cost": 0.0,
        "virtual_s": 171.3,
        "checks": {"fates": True, "conservation": True},
        "expect": [
            {
                "what": "accuracy",
                "bound": ">= 0.95",
                "value": float(correct.sum() / n),
                "ok": bool(correct.sum() / n >= 0.95),
            },
            {"what": "bytes", "bound": "<= 154", "value": float(camera_up["payload"]), "ok": True},
        ],
        "topology": {
            "sites": sites,
            "nodes": [
                *(
                    {"name": f"cam.{i}", "role": "camera", "profile": "eyes-of-things", "uplink": "gw"}
                    for i in range(cameras)
                ),
                {"name": "gw", "role": "gateway", "profile": "raspberry-pi-3b", "uplink": "cloud"},
                {"name": "cloud", "role": "cloud", "profile": "server", "uplink": None},
            ],
            "links": [
                {
                    "src": "cam",
                    "dst": "gw",
                    "bandwidth_bps": 250e3,
                    "latency_s": 0.005,
                    "jitter_s": 0.001,
                    "loss": 0.001,
                },
                {"src": "gw", "dst": "cloud", "bandwidth_bps": 5e6, "latency_s": 0.04, "jitter_s": 0.0, "loss": 0.0},
            ],
        },
        "network": {
            "device": {"filters": 4, "blocks": 1, "precision": "binary"},
            "cloud": {"filters": 16, "blocks": 2},
            "aggregate": {"local": "max", "cloud": "concat"},
            "missing": "mask",
            "recipe": "default",
            "train_seed": 7,
            "weights_sha256": "ab" * 32,
        },
        "data": {"name": "multiview", "samples": 171, "classes": list(CLASSES), "sha256": "cd" * 32},
    }


def _percentiles(latency: pd.Series) -> dict[str, float | None]:
    if latency.empty:
        return dict.fromkeys(("mean", "p50", "p90", "p95", "p99", "max"))
    points = {f"p{p}": float(np.percentile(latency, p)) for p in (50, 90, 95, 99)}
    return {"mean": float(latency.mean()), **points, "max": float(latency.max())}


def _curve() -> list[dict[str, float]]:
    rows = []
    for threshold in np.linspace(0, 1, 21):
        share = float(1 / (1 + np.exp(-(threshold - 0.76) * 18))) if 0 < threshold < 1 else float(threshold)
        rows.append(
            {
                "threshold": round(float(threshold), 4),
                "local_share": share,
                "accuracy": 0.965 + 0.012 * float(np.exp(-(((threshold - 0.78) / 0.1) ** 2))) - 0.045 * threshold**12,
                "local_accuracy": 0.92,
                "cloud_accuracy": 0.965,
                "payload_bytes": 12 + (1 - share) * 128,
            }
        )
    return rows


def _run(seed: int) -> dict[str, Any]:
    return {
        "status": "complete",
        "id": "20250101-000000-abcdef",
        "scenario": "six-cameras",
        "seed": seed,
        "mode": "lockstep",
        "argv": ["fogfleet", "run", "scenarios/six_cameras.yaml", "--set", "links.cam->gw.loss=0.1 %"],
        "started": "2025-01-01T00:00:00Z",
        "versions": {"fogfleet": "0.1.0", "python": "3.11.7", "torch": "2.6.0"},
        "git_commit": "0123456789abcdef0123456789abcdef01234567",
        "broker": {"name": "mosquitto", "version": "2.0.11", "protocol": 5},
        "sha256": {"scenario": "01" * 32, "data": "cd" * 32, "weights": "ab" * 32, "decisions": "ef" * 32},
        "wall_s": {"total": 4.2, "setup": 1.9, "simulate": 2.3},
        "virtual_s": 171.3,
    }


def write_sweep(
    folder: Path,
    *,
    cameras: int = 6,
    thresholds: tuple[float, ...] = (0.1, 0.5, 0.8, 1.0),
    seeds: int = 1,
    points: int = 0,
) -> Path:
    """A sweep folder: every subset of failed cameras × thresholds × seeds, or `points` random points."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    worth = np.linspace(0.02, 0.12, cameras)
    rows: list[dict[str, Any]] = []
    for size in range(cameras + 1):
        for down in combinations(range(cameras), size):
            for threshold in thresholds:
                rows += [_point(rng, worth, down, threshold, seed, cameras) for seed in range(seeds)]
    if points:
        rows = [rows[i] for i in rng.integers(0, len(rows), points)]
    frame = pd.DataFrame(rows)
    frame.insert(0, "point", np.arange(len(frame)))
    frame.to_parquet(folder / "index.parquet", index=False)
    return folder


def _point(
    rng: np.random.Generator, worth: np.ndarray, down: tuple[int, ...], threshold: float, seed: int, cameras: int
) -> dict[str, Any]:
    share = float(1 / (1 + np.exp(-(threshold - 0.76) * 18)))
    accuracy = max(0.33, 0.98 - worth[list(down)].sum() * (1 + 0.1 * len(down)) - 0.04 * threshold**12)
    payload = (12 + (1 - share) * 128) * (cameras - len(down)) / cameras
    return {
        "key": f"{rng.integers(2**62):016x}",
        "status": "complete",
        "seed": seed,
        "down": "+".join(f"cam.{i}" for i in down),
        "down_count": len(down),
        "exits.local": threshold,
        "accuracy.overall": float(np.clip(accuracy + rng.normal(0, 0.006), 0, 1)),
        "samples.captured": 171,
        "samples.dropped": 171 if len(down) == cameras else 0,
        "exit_share.local": share,
        "bytes.per_device_per_sample.payload": payload,
        "bytes.per_device_per_sample.eq1": payload,
        "bytes.per_device_per_sample.raw": 3072.0,
        "bytes.reduction_vs_raw": 3072 / payload if payload else None,
        "latency_s.all.p95": 0.2 - 0.1 * share,
        "energy_j": 600.0,
        "cost": 0.0,
    }
