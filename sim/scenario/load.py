"""Reading scenarios: YAML, overrides, validation; either a Scenario or one error with every problem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import ValidationError

from sim.errors import Problem, ScenarioError
from sim.scenario.checks import check
from sim.scenario.document import Document, parse
from sim.scenario.faults import FaultKinds, read_faults
from sim.scenario.model import Scenario
from sim.scenario.overrides import UnknownPathError, assign, put
from sim.scenario.policies import NO_POLICIES, PolicyKinds, read_policies
from sim.scenario.problems import Finding, did_you_mean, problem, translate
from sim.scenario.text import MAX_BYTES, NotReadableError, Place, decode
from sim.scenario.trials import try_sweep
from sim.units import shown

NO_KINDS: FaultKinds = MappingProxyType({})


class Known(NamedTuple):
    """What may be named in a scenario besides what is built into it."""

    faults: FaultKinds
    policies: PolicyKinds


def load(
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    fault_kinds: FaultKinds = NO_KINDS,
    policies: PolicyKinds = NO_POLICIES,
) -> Scenario:
    """The scenario in a file.

    Args:
        path: the YAML file.
        overrides: `a.b=c` assignments, as given to `--set`.
        seed: replaces the seed of the file.
        fault_kinds: the known kinds of faults by name.
        policies: the known policies by sort and name.

    Raises:
        ScenarioError: the file cannot be read or is not a valid scenario; it holds every problem.
    """
    raw = _read(Path(path))
    return _build(raw, str(path), Path(path), overrides, seed, Known(fault_kinds, policies))


def loads(
    text: str,
    name: str = "<string>",
    *,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    fault_kinds: FaultKinds = NO_KINDS,
    policies: PolicyKinds = NO_POLICIES,
) -> Scenario:
    """As `load`, for text in hand; `name` stands for the file in messages."""
    raw = text.encode("utf-8", "surrogatepass")
    return _build(raw, name, Path(name), overrides, seed, Known(fault_kinds, policies))


def build(
    data: dict[str, Any], path: Path, *, fault_kinds: FaultKinds = NO_KINDS, policies: PolicyKinds = NO_POLICIES
) -> Scenario:
    """The scenario in plain data, as `Scenario.to_json` gives it and a sweep changes it.

    Args:
        data: as a file would have it; it is not changed.
        path: where it came from; relative data paths resolve against its folder.
        fault_kinds: the known kinds of faults by name.
        policies: the known policies by sort and name.

    Raises:
        ScenarioError: it is not a valid scenario; it holds every problem.
    """
    scenario, findings = validate(data, Known(fault_kinds, policies))
    if scenario is None or findings:
        nowhere = Document(data, {(): Place(str(path), 0, 0)})
        raise ScenarioError(_in_order([problem(nowhere, finding) for finding in findings], str(path)))
    scenario._path = path
    return scenario


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


def _build(raw: bytes, name: str, path: Path, overrides: Sequence[str], seed: int | None, known: Known) -> Scenario:
    try:
        document, problems = parse(decode(raw, name), name)
    except NotReadableError as error:
        raise ScenarioError((error.problem,)) from None
    if not isinstance(document.data, dict):
        message = f"a scenario is a mapping ('key: value'), not {shown(document.data)}"
        raise ScenarioError((*problems, problem(document, Finding((), message))))
    problems += _override(document, overrides, seed)
    scenario, findings = validate(document.data, known)
    problems += [problem(document, finding) for finding in findings]
    if scenario is None or problems:
        raise ScenarioError(_in_order(problems, name))
    scenario._path = path
    return scenario


def _override(document: Document, overrides: Sequence[str], seed: int | None) -> list[Problem]:
    problems = []
    for assignment in overrides:
        try:
            assign(document, assignment)
        except UnknownPathError as error:
            problems.append(Problem(f"--set {assignment.partition('=')[0].strip()}", 0, 0, "", str(error)))
    if seed is not None:
        put(document, ("seed",), seed, "--seed")
    return problems


def _in_order(problems: Sequence[Problem], file: str) -> tuple[Problem, ...]:
    """Without repetitions, in the order of the file, options last."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.file != file, p.line, p.column)))


def validate(data: dict[str, Any], known: Known) -> tuple[Scenario | None, list[Finding]]:
    """The scenario in plain data, None if there is none, and everything that is wrong with it."""
    scenario, findings = _inspect(data, known)
    if "sweep" in data:
        findings = [*findings, *try_sweep(data, lambda point: _inspect(point, known)[1])]
    return scenario, findings


def _inspect(data: dict[str, Any], known: Known) -> tuple[Scenario | None, list[Finding]]:
    findings: list[Finding] = []
    fields = dict(data)
    if "faults" in data:
        fields["faults"], findings = read_faults(data["faults"], known.faults)
    if "policies" in data:
        fields["policies"], wrong = read_policies(data["policies"], known.policies)
        findings += wrong
    scenario = None
    try:
        scenario = Scenario.model_validate(fields)
    except ValidationError as error:
        findings += translate(error.errors(), data, Scenario)
    return scenario, findings + check(data)
