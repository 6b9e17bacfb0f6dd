"""Links against closed forms and an exact recursion."""

from collections.abc import Generator, Sequence

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from sim.clock import Clock
from sim.link import Link, LinkModel

MBIT = 1e6


def arrival(link: Link, now_s: float, size_bytes: int, *counters: int) -> float:
    passage = link.send(now_s, size_bytes, *counters)
    assert passage.arrives_s is not None
    return passage.arrives_s


def test_one_message_over_two_hops_takes_68_8_ms() -> None:
    up = Link("cam->gw", LinkModel(1 * MBIT, 0.010), seed=0)
    on = Link("gw->cloud", LinkModel(10 * MBIT, 0.050), seed=0)
    assert arrival(on, arrival(up, 0.0, 1000), 1000) == pytest.approx(0.0688, abs=1e-12)


def test_the_two_hops_as_events_on_the_clock() -> None:
    clock, seen = Clock(), []
    up = Link("cam->gw", LinkModel(1 * MBIT, 0.010), seed=0)
    on = Link("gw->cloud", LinkModel(10 * MBIT, 0.050), seed=0)

    def at_gateway(_: object) -> None:
        clock.at(arrival(on, clock.now, 1000), lambda _: seen.append(clock.now))

    clock.at(arrival(up, 0.0, 1000), at_gateway)
    clock.finish()
    assert seen == [pytest.approx(0.0688, abs=1e-12)]


def test_propagation_does_not_occupy_the_link() -> None:
    link = Link("a->b", LinkModel(8000.0, latency_s=10.0), seed=0)
    assert [arrival(link, 0.0, 1000) for _ in range(3)] == [11.0, 12.0, 13.0]


def fifo(sends: Sequence[tuple[float, int]], bandwidth_bps: float, latency_s: float) -> list[float]:
    """The textbook recursion d_i = max(d_{i-1}, a_i) + s_i / c."""
    free_s, arrivals = 0.0, []
    for now_s, size_bytes in sends:
        free_s = max(free_s, now_s) + size_bytes * 8 / bandwidth_bps
        arrivals.append(free_s + latency_s)
    return arrivals


times = st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 4), st.integers(1, 10_000)), min_size=1)


@given(times, st.sampled_from([1e3, 1e6, 250e3]))
def test_queues_match_the_recursion_also_for_simultaneous_sends(
    sends: list[tuple[float, int]], bandwidth_bps: float
) -> None:
    sends.sort(key=lambda send: send[0])
    link = Link("a->b", LinkModel(bandwidth_bps, 0.01), seed=0)
    assert [arrival(link, *send) for send in sends] == fifo(sends, bandwidth_bps, 0.01)


def test_a_full_queue_drops() -> None:
    link = Link("a->b", LinkModel(8000.0, queue=2), seed=0)
    fates = [link.send(0.0, 1000).lost for _ in range(5)]
    assert fates == [None, None, None, "queue", "queue"]
    assert link.waiting(0.5) == 3
    assert link.send(1.0, 1000).lost is None, "one has left after a second"


def test_jitter_stays_within_its_bounds_and_keeps_the_order() -> None:
    link = Link("a->b", LinkModel(1e9, 0.010, jitter_s=0.004), seed=3)
    arrivals = [arrival(link, sample * 1.0, 100, 1, sample) - sample for sample in range(500)]
    assert 0.006 <= min(arrivals) < 0.0065 and 0.0135 < max(arrivals) < 0.01401
    burst = [arrival(link, 1000.0, 100, 2, sample) for sample in range(50)]
    assert burst == sorted(burst)


def test_draws_depend_on_the_message_not_on_the_order() -> None:
    def delays(samples: Sequence[int]) -> dict[int, float]:
        link = Link("a->b", LinkModel(1e12, 0.010, jitter_s=0.004), seed=3)
        return {s: arrival(link, s * 1.0, 1, 1, s) - s for s in samples}

    everything = delays(range(20))
    assert all(everything[s] == pytest.approx(d, abs=1e-9) for s, d in delays(range(0, 20, 3)).items())


def test_at_qos_0_a_lost_message_is_lost() -> None:
    link = Link("a->b", LinkModel(1e6, loss=0.3), seed=1, attempts=1)
    lost = sum(link.send(s * 1.0, 100, 1, s).lost == "loss" for s in range(4000))
    assert 0.27 < lost / 4000 < 0.33


def test_at_qos_1_it_is_sent_again_after_the_retry_time() -> None:
    link = Link("a->b", LinkModel(8e5, 0.01, loss=0.5), seed=1, attempts=30, retry_s=0.2)
    passages = [link.send(s * 100.0, 1000, 1, s) for s in range(200)]
    assert {p.lost for p in passages} == {None}
    for sample, passage in enumerate(passages):
        assert passage.arrives_s is not None
        assert passage.arrives_s - sample * 100 == pytest.approx(
            passage.attempts * 0.01 + (passage.attempts - 1) * 0.2 + 0.01
        )
    assert 1.8 < sum(p.attempts for p in passages) / 200 < 2.2


def test_the_past_cannot_be_changed() -> None:
    clock = Clock()
    clock.at(5.0, lambda _: clock.at(4.0, print))
    with pytest.raises(ValueError, match="already 5"):
        clock.finish()


def test_processes_and_calls_share_one_order() -> None:
    clock, order = Clock(), []

    def process() -> Generator[simpy.Event, None, None]:
        yield clock.until(1.0)
        order.append("process")
        yield clock.timeout(1.0)
        order.append("later")

    clock.process(process())
    clock.at(1.0, order.append, "call")
    clock.at(1.5, order.append, "gone").cancel()
    clock.finish()
    assert order == ["call", "process", "later"], "the process schedules its event only when it starts"


def test_a_passage_tells_how_long_it_queued_and_how_often_it_was_sent() -> None:
    link = Link("a->b", LinkModel(8000.0), seed=0)
    assert [link.send(0.25, 1000)[2:] for _ in range(3)] == [(1, 0.0), (1, 1.0), (1, 2.0)]
    lossy = Link("a->b", LinkModel(8000.0, loss=0.5), seed=0, attempts=8, retry_s=0.5)
    passages = [lossy.send(s * 100.0, 1000, 1, s) for s in range(40)]
    assert {passage.queued_s for passage in passages} == {0.0}, "repeating a transmission is no queueing"
    for sent, passage in enumerate(passages):
        if passage.arrives_s is not None:
            assert passage.arrives_s - sent * 100.0 == pytest.approx(passage.attempts * 1.5 - 0.5)
