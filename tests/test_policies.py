"""Policies one by one: how scenarios name them, what they choose from what a camera knows, and how it measures."""

from __future__ import annotations

import json

import jsonschema
import pytest
from policy_kit import view
from scenario_kit import SMALL

from sim import policies, scenario
from sim.errors import ScenarioError
from sim.link import Link, LinkModel, MeteredLink
from sim.plugin import Heard, Seen, Selection, View
from sim.policies.select import Confident, Present
from sim.policies.split import Adaptive, forecast
from sim.scenario import Scenario
from sim.scenario.document import parse
from sim.scenario.policies import PROTOCOL


def _load(block: str, *overrides: str) -> Scenario:
    return scenario.loads(
        f"{SMALL}policies: {block}\n", "s.yaml", overrides=overrides, policies=policies.by_sort(False)
    )


WRONG = {
    "{splt: adaptive}": "s.yaml:10:12: policies.splt: unknown key; did you mean 'split'?",
    "{split: adaptve}": "s.yaml:10:19: policies.split: no split policy 'adaptve'; did you mean 'adaptive'?",
    "{split: present}": "no split policy 'present'; known: static, adaptive, features, raw",
    "{select: adaptive}": "no select policy 'adaptive'; known: all, confident, present",
    "{split: {kind: adaptve}}": "policies.split.kind: no split policy 'adaptve'; did you mean 'adaptive'?",
    "{split: {kind: adaptive, dedline: 1 s}}": "policies.split.dedline: unknown key; did you mean 'deadline'?",
    "{split: {kind: adaptive, deadline: 300}}": "policies.split.deadline: 300",
    "{split: {kind: adaptive, weight: 0}}": "policies.split.weight: 0 should be above 0",
    "{split: {kind: adaptive, prefer: speed}}": "'speed' is none of bytes, accuracy",
    "{split: {kind: static, deadline: 1 s}}": "policies.split.deadline: 'static' has no parameters",
    "{split: {deadline: 1 s}}": "policies.split: has no 'kind'; known: static",
    "{split: 3}": "policies.split: 3 is no split policy; write one of static, adaptive",
    "{select: {kind: confident, k: 0}}": "policies.select.k: 0 should be at least 1",
    "{split: no.such.module:Thing}": "no.such.module:Thing cannot be used: ModuleNotFoundError",
    "{split: math:pi}": "is no split policy; derive a class from SplitPolicy of sim.plugin",
    "[raw]": "policies: a list should be a mapping; write {split: adaptive}",
}


@pytest.mark.parametrize(("block", "message"), WRONG.items(), ids=WRONG)
def test_a_wrong_policy_is_told_with_its_place(block: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        _load(block)
    (problem,) = caught.value.problems
    assert message in str(problem)
    assert problem.line == 10


RIGHT = [
    "{}",
    "{split: static, select: all}",
    "{split: {kind: static}}",
    "{split: raw}",
    "{split: features, select: present}",
    "{split: {kind: adaptive, deadline: 300 ms, prefer: accuracy}, select: {kind: confident, k: 2}}",
    "{split: policy_kit:Motley, select: {kind: policy_kit:Nobody}}",
]


@pytest.mark.parametrize("block", RIGHT)
def test_a_right_policy_is_written_out_as_it_is_read_and_fits_the_schema(block: str) -> None:
    loaded = _load(block)
    text = json.dumps(loaded.to_json())
    assert scenario.loads(text, "s.yaml", policies=policies.by_sort(False)) == loaded
    schema = scenario.json_schema(policies=policies.by_sort(False))
    for written in (f"{SMALL}policies: {block}\n", text):
        jsonschema.validate(parse(written, "s.yaml")[0].data, schema)


@pytest.mark.parametrize("block", [block for block in WRONG if ":Thing" not in block and ":pi" not in block])
def test_the_schema_refuses_what_the_loader_refuses(block: str) -> None:
    data = parse(f"{SMALL}policies: {block}\n", "s.yaml")[0].data
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, scenario.json_schema(policies=policies.by_sort(False)))


def test_without_the_block_the_protocol_is_what_it_was() -> None:
    loaded = scenario.loads(SMALL)
    assert loaded.policies.split is None and loaded.policies.select is None
    assert loaded.to_json()["policies"] == dict(PROTOCOL)


def test_policies_and_their_parameters_can_be_set_and_swept() -> None:
    assert _load("{}", "policies.split=raw").policies.split is not None
    changed = _load("{split: {kind: adaptive}}", "policies.split.deadline=2 s").policies.split
    assert isinstance(changed, Adaptive) and changed.deadline_s == 2.0
    sweep = "sweep: {grid: {policies.split: [static, raw, adaptve]}}\n"
    with pytest.raises(ScenarioError, match=r"sweep.grid.policies.split.2: no split policy 'adaptve'"):
        scenario.loads(SMALL + sweep, policies=policies.by_sort(False))


def _adaptive(deadline: str, **fields: object) -> Adaptive:
    return Adaptive.model_validate({"kind": "adaptive", "deadline": deadline, **fields})


def test_estimated_time_is_age_and_queue_or_work_and_transmission_and_the_rest() -> None:
    busy = view(age_s=0.1, waiting=1, waiting_bytes=1250, backlog_s=0.2, compute_s=0.05)
    raw = forecast(busy, "raw", 100e3, 1.0)
    assert raw.verdict_s == pytest.approx(0.1 + 0.1 + 0.272 + 0.06), "a raw image waits for the radio alone"
    features = forecast(busy, "features", 100e3, 1.0)
    assert features.verdict_s == pytest.approx(0.1 + 0.25 + 0.0256 + 0.05), "the longer of queue and computing"
    scores = forecast(busy, "scores", 100e3, 1.0)
    assert scores.verdict_s == pytest.approx(0.1 + 0.25 + 0.016 + 0.01 + 0.5 * (0.01 + 0.0256 + 0.05))
    assert scores.payload_bytes == 12 + 0.5 * 128


CHOICES = {
    "all in time: the fewest bytes": ("1 s", view(), "scores"),
    "features nearly always asked for: not the detour": ("1 s", view(asked=0.95), "features"),
    "no time for the detour": ("100 ms", view(), "features"),
    "a chance is better than none": ("60 ms", view(), "scores"),
    "the processor is behind": ("400 ms", view(backlog_s=0.5), "raw"),
    "processor behind and the radio too slow: the soonest": (
        "400 ms",
        view(backlog_s=0.5, bandwidth_bps=40e3),
        "scores",
    ),
    "a long queue leaves no time": ("1 s", view(waiting=9, waiting_bytes=11_500), "features"),
    "nothing measured yet": ("1 ms", view(bandwidth_bps=None), "scores"),
    "nothing to see": ("100 ms", view(compute_s=0.0, seen=Seen(True, 0.9)), "scores"),
    "no local exit above": ("1 s", view(options=("features", "raw")), "features"),
    "too old for anything": ("100 ms", view(age_s=5.0, compute_s=0.0, seen=Seen(False, 0.9)), "scores"),
}


@pytest.mark.parametrize(("deadline", "known", "chosen"), CHOICES.values(), ids=CHOICES)
def test_adaptive_chooses(deadline: str, known: View, chosen: str) -> None:
    assert _adaptive(deadline).choose(known) == chosen


def test_adaptive_may_prefer_the_clouds_verdict() -> None:
    assert _adaptive("1 s", prefer="accuracy").choose(view()) == "features"
    assert _adaptive("60 ms", prefer="accuracy").choose(view()) == "scores", "but not beyond the deadline"


def test_the_measured_bandwidth_is_an_exponentially_weighted_mean() -> None:
    policy = _adaptive("1 s", weight=0.5)
    assert policy.measured(None, 100.0) == 100.0
    assert policy.measured(100.0, 50.0) == 75.0


def test_a_metered_link_knows_of_its_transmissions_when_they_have_ended() -> None:
    link = MeteredLink("a->b", LinkModel(8000.0), seed=1)
    link.send(0.0, 1000)
    link.send(0.5, 500)
    assert link.ended(0.99) == []
    assert link.waiting_bytes(0.99) == 1500
    assert [(own.size_bytes, own.took_s) for own in link.ended(1.0)] == [(1000, 1.0)]
    assert link.waiting_bytes(1.0) == 500
    assert [(own.ends_s, own.took_s) for own in link.ended(9.0)] == [(1.5, 0.5)], "the wait before it is no part of it"
    assert link.ended(9.0) == []


def test_a_metered_link_behaves_as_any_other_and_counts_repetitions_as_time() -> None:
    model = LinkModel(8000.0, loss=0.5, jitter_s=0.01, queue=5)
    plain = Link("a->b", model, 7, attempts=8, retry_s=0.1)
    metered = MeteredLink("a->b", model, 7, attempts=8, retry_s=0.1)
    passages = [(plain.send(i * 0.3, 100, i), metered.send(i * 0.3, 100, i)) for i in range(40)]
    assert all(one == other for one, other in passages)
    took = [own.took_s for own in metered.ended(1e9)]
    sent = [passage.attempts for passage, _ in passages if passage.attempts]
    assert took == pytest.approx([0.1 * attempts + 0.1 * (attempts - 1) for attempts in sent])
    assert max(sent) > 1


def test_a_transmission_that_was_cut_off_is_not_measured() -> None:
    link = MeteredLink("a->b", LinkModel(8000.0), seed=1)
    link.send(0.0, 1000)
    link.clear(0.5)
    assert link.ended(9.0) == [] and link.waiting_bytes(0.6) == 0


CAMERAS = Selection(3, (Heard(0, False, 0.9), Heard(1, True, 1.0), Heard(4, False, 0.2), Heard(5, False, 0.9)))


def test_present_asks_those_that_see_the_object() -> None:
    assert list(Present(kind="present").choose(CAMERAS)) == [0, 4, 5]


@pytest.mark.parametrize(("k", "asked"), [(1, [4]), (2, [4, 0]), (9, [4, 0, 5])])
def test_confident_asks_the_surest(k: int, asked: list[int]) -> None:
    assert list(Confident(kind="confident", k=k).choose(CAMERAS)) == asked


TWO = ("nodes.gw.count=2",)
"""Gateways, as `failover` needs."""


def test_every_built_in_policy_has_an_example_that_loads() -> None:
    for sort, kinds in policies.by_sort(False).items():
        for name, kind in kinds.items():
            loaded = getattr(_load(f"{{{sort}: {kind.example}}}", *TWO).policies, sort)
            assert type(loaded) is kind, name
