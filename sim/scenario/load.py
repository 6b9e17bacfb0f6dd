"""Reading scenarios: YAML, overrides, validation; either a Scenario or one error with every problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from sim.errors import Problem, ScenarioError
from sim.scenario.document import MAX_BYTES, Document, NotReadableError, decode, parse
from sim.scenario.model import Scenario
from sim.scenario.problems import did_you_mean, problem, translate
from sim.units import shown

FaultKinds = Mapping[str, type[BaseModel]]
NO_KINDS: FaultKinds = {}


def load(
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    fault_kinds: FaultKinds = NO_KINDS,
) -> Scenario:
    """The scenario in a file.

    Args:
        path: the YAML file.
        overrides: `a.b=c` assignments, as given to `--set`.
        seed: replaces the seed of the file.
        fault_kinds: the known kinds of faults by name.

    Raises:
        ScenarioError: the file cannot be read or is not a valid scenario; it holds every problem.
    """
    raw = _read(Path(path))
    return _build(raw, str(path), Path(path), overrides, seed, fault_kinds)


def loads(
    text: str,
    name: str = "<string>",
    *,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    fault_kinds: FaultKinds = NO_KINDS,
) -> Scenario:
    """As `load`, for text in hand; `name` stands for the file in messages."""
    return _build(text.encode("utf-8", "surrogatepass"), name, Path(name), overrides, seed, fault_kinds)


def _read(path: Path) -> bytes:
    """The bytes of a file, one more than allowed at most."""
    try:
        if path.is_dir():
            raise _refusal(path, "is a directory; name a scenario file (.yaml)")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _refusal(path, f"no such file{_neighbour(path)}") from None
    except (OSError, ValueError) as error:
        # ValueError: a name that no file can have (an embedded null character).
        raise _refusal(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _neighbour(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix in (".yaml", ".yml"))
    except OSError:
        return ""
    return did_you_mean(path.name, names)


def _refusal(path: Path, message: str) -> ScenarioError:
    return ScenarioError((Problem(str(path), 0, 0, "", message),))


def _build(
    raw: bytes, name: str, path: Path, overrides: Sequence[str], seed: int | None, fault_kinds: FaultKinds
) -> Scenario:
    try:
        document, problems = parse(decode(raw, name), name)
    except NotReadableError as error:
        place, message = error.args
        raise ScenarioError((Problem(*place, "", message),)) from None
    if not isinstance(document.data, dict):
        problems.append(
            problem(document, (), f"a scenario is a mapping ('key: value'), not {shown(document.data)}")
        )
        raise ScenarioError(tuple(problems))
    if seed is not None:
        document.data["seed"] = seed
    scenario, found = validate(document, fault_kinds)
    problems += found
    if scenario is None or problems:
        raise ScenarioError(tuple(problems))
    scenario._path = path
    return scenario


def validate(document: Document, fault_kinds: FaultKinds) -> tuple[Scenario | None, list[Problem]]:
    """The scenario in a document and all its problems."""
    try:
        return Scenario.model_validate(document.data), []
    except ValidationError as error:
        return None, translate(error.errors(), document, Scenario)
