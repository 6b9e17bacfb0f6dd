"""The page of a reproduction: what `sim.reproduce` wrote, as figures, tables and one HTML file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis import reproduce_figures as figures
from analysis import words
from analysis.drawing import Plot
from analysis.load import FolderError, dig
from analysis.page import Page, Section, Tile, listed, shell_line
from analysis.report import write_figures
from analysis.tables import Table

ABOUT: Final = "reproduce.json"
PAGE: Final = "report.html"
TITLES: Final = {
    "table1": "Table I: nine pairs of aggregation",
    "table2": "Table II and Fig. 7: thresholds",
    "fig8": "Fig. 8: more cameras",
    "fig9": "Fig. 9: communication against accuracy",
    "fig10": "Fig. 10: one camera failed",
    "recipes": "Two recipes: as published, and the default here",
    "subsets": "Beyond the paper: every subset of failed cameras",
}
CAPTIONS: Final = {
    "subsets_by_number": "Accuracy by how many cameras are down",
    "subsets_expected": "Accuracy to expect for a failure probability per camera",
}
_POLICIES: Final = {
    "fig8": "a network trained for each number, as published",
    "fig10": "as named",
    "recipes": "masked out (default), as black images (published)",
}
_CHOSEN: Final = {"table2": "each T judged on the test samples", "fig9": "T chosen on the {on} samples"}
_SIZES: Final = ("bytes", "eq1")
_PLAIN: Final = ("threshold",)
_SHORT: Final = {
    "local_exit": "leave locally",
    "eq1": "Eq. 1",
    "failout": "with failout",
    "no_failout": "without failout",
    "down_count": "cameras down",
    "failure_probability": "failure probability",
    "missing": "missing camera",
    "one_failed": "one camera failed",
}


def build(folder: Path) -> Path:
    """Writes `report.html` and `figures/` into a folder that holds the tables; returns the page.

    Raises:
        FolderError: `fogfleet reproduce` did not write this folder.
    """
    page = page_of(folder)
    write_figures(page, folder / "figures")
    target = folder / PAGE
    target.write_bytes(page.html().encode())
    return target


def page_of(folder: Path) -> Page:
    """What the page of `folder` says.

    Raises:
        FolderError: as `build`.
    """
    about = _about(folder)
    made: Mapping[str, Any] = about["made"]
    sections = [_section(folder, name, entry, made) for name, entry in about["experiments"].items()]
    return Page(
        title=f"The published experiments, on {dig(made, 'data.name')}",
        subtitle="FogFleet · reproduction",
        verdict=_verdict(about["experiments"]),
        tiles=_tiles(made),
        sections=sections,
        facts=_facts(about),
        command=shell_line(about.get("argv")),
        warnings=_warnings(made),
    )


def _verdict(experiments: Mapping[str, Mapping[str, Any]]) -> str:
    """What was found at the thresholds, the paper's main result; else the first thing that was found."""
    main = experiments.get("table2")
    if main is not None:
        return " ".join(main["findings"][:2])
    return str(next(iter(experiments.values()))["findings"][0])


def _about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FolderError(
            f"{folder}: {ABOUT} is missing or damaged; fogfleet reproduce -o {folder} writes it"
        ) from error
    if not isinstance(about, dict) or about.get("kind") != "reproduction":
        raise FolderError(f"{folder / ABOUT} is not of a reproduction; fogfleet reproduce -o DIR makes one")
    return about


def _tiles(made: Mapping[str, Any]) -> list[Tile]:
    data = made["data"]
    return [
        Tile("data", str(data["name"]), f"{data['train']} training, {words.count(data['test'])} test samples"),
        Tile("recipe", str(made["recipe"]), f"{made['epochs']} epochs"),
        Tile("seeds", words.count(len(made["seeds"])), "mean ± standard deviation"),
        Tile("failed cameras", str(made["missing"]).partition(",")[0], "where nothing is retrained"),
        Tile("thresholds chosen on", f"{made['thresholds_chosen_on']} samples", "where they are chosen (Fig. 9)"),
    ]


def _warnings(made: Mapping[str, Any]) -> list[str]:
    found = []
    if "mvmc" not in str(made["data"]["name"]).lower():
        found.append(
            f"The published values were measured on MVMC, ours on {made['data']['name']}: other pictures, so compare "
            "the shape of the curves and the differences, not the levels."
        )
    if made["quick"]:
        found.append("Made with --quick: few epochs and samples. The figures show that all works, and nothing else.")
    if made["thresholds_chosen_on"] == "test":
        found.append(
            "As the authors did, thresholds were judged on the test samples; --thresholds validation keeps them apart."
        )
    return found


def _facts(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    made = about["made"]
    data = made["data"]
    failout = made["failout"]
    pairs = [
        ("Data", f"{data['name']}, {data['cameras']} cameras, {listed(data['classes'])}; sha256 {data['sha256']}"),
        ("Training", f"recipe {made['recipe']}, {made['epochs']} epochs, "
         f"{'no failout' if failout is None else f'failout {failout:g}'}, seeds {listed(made['seeds'])}"),
        ("Missing cameras", f"{made['missing']}; in Fig. 8 and where said in Fig. 10 retrained, as published"),
        ("Simulation", "mode virtual, no packet loss unless the scenario says so; local accuracy from runs at T = 1, "
         "cloud accuracy at T = 0, overall at T = 0.8 unless said otherwise"),
        ("Published values", "Teerapittayanon, McDanel, Kung, ICDCS 2017. Verified: read in published code or data; "
         "computed: from verified values; unverified: quoted from memory of the paper"),
        ("Versions", listed(about.get("versions", {}))),
        ("Commit", str(about.get("git_commit") or "")),
    ]  # fmt: skip
    return [(label, value) for label, value in pairs if value]


def _section(folder: Path, name: str, entry: Mapping[str, Any], made: Mapping[str, Any]) -> Section:
    frames = {table: _frame(folder / f"{table}.csv") for table in entry["tables"]}
    tables = [_table(table, CAPTIONS.get(table, TITLES[name]), frame) for table, frame in frames.items()]
    return Section(name, TITLES[name], " ".join(entry["findings"]), [_plot(name, frames, made)], tables)


def _frame(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise FolderError(f"{path} is missing or damaged; run fogfleet reproduce again") from error


def _plot(name: str, frames: Mapping[str, pd.DataFrame], made: Mapping[str, Any]) -> Plot:
    return figures.signed(_unsigned(name, frames, made), _signature(name, made))


def _signature(name: str, made: Mapping[str, Any]) -> str:
    """What every figure says of itself, wherever it is pasted: data, training, missing cameras, thresholds."""
    data, seeds = made["data"], len(made["seeds"])
    recipe = "recipes as named" if name == "recipes" else f"recipe {made['recipe']}"
    policy = _POLICIES.get(name, str(made["missing"]))
    chosen = _CHOSEN.get(name, "T = 0.8, as published").format(on=made["thresholds_chosen_on"])
    return (
        f"{data['name']}, {data['train']} + {data['test']} samples; {recipe}, {words.counted(seeds, 'seed')}; "
        f"missing cameras: {policy}; {chosen}"
    )


def _unsigned(name: str, frames: Mapping[str, pd.DataFrame], made: Mapping[str, Any]) -> Plot:
    if name == "subsets":
        return figures.by_number(frames["subsets_by_number"], frames["subsets_expected"], str(made["missing"]))
    draw: Mapping[str, Callable[[pd.DataFrame], Plot]] = {
        "table1": figures.pairs,
        "table2": figures.thresholds,
        "fig8": figures.added,
        "fig9": figures.filters,
        "fig10": figures.failed,
        "recipes": figures.recipes,
    }
    return draw[name](frames[name])


def _table(name: str, caption: str, frame: pd.DataFrame) -> Table:
    """A table for people: `95.1 ± 0.4 %` of ours, and the published value beside it where there is one."""
    shown, kinds, heads, spreads = pd.DataFrame(index=frame.index), dict[str, str](), dict[str, str](), dict[str, str]()
    for column in map(str, frame.columns):
        if column.endswith(("_sd", "_published_is")):
            continue
        quantity = column.removesuffix("_published")
        if column != quantity:
            if frame[column].isna().all():
                continue
            source = frame[f"{column}_is"].dropna().iloc[0]
            heads[column] = f"{_short(quantity)}, published ({source})"
        else:
            heads[column] = _short(quantity) + (", ours" if f"{column}_published" in frame else "")
        shown[column] = frame[column]
        if f"{quantity}_sd" in frame or quantity.endswith("_worst") or quantity == "failure_probability":
            kinds[column] = "size" if quantity in _SIZES else "number" if quantity in _PLAIN else "percent"
            if column == quantity and f"{quantity}_sd" in frame:
                shown[f"{column}_sd"] = frame[f"{quantity}_sd"]
                spreads[column] = f"{column}_sd"
        elif pd.api.types.is_numeric_dtype(frame[column]):
            kinds[column] = "number"
    aside = name == "subsets"
    return Table(name, caption, shown, kinds, heads, spreads=spreads, aside=aside, file=f"{name}.csv")


def _short(quantity: str) -> str:
    for name, said in _SHORT.items():
        if quantity == name or quantity.startswith(f"{name}_worst"):
            return said + {"_worst": ", worst", "_worst_down": ", which"}.get(quantity.removeprefix(name), "")
    return quantity
