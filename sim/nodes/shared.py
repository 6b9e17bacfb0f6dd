"""The one cloud as each of several processes has it: its own sites' samples, and its place in the common queue.

Sites do not talk to each other, and the cloud keeps a sample of one site apart from all others. All that samples share
is the cloud's processor, which takes them in the order in which they are ready. So a process works on the samples of
its own sites alone, says what is ready and when, is told the same by the others, and reckons the whole queue.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from heapq import heappush
from math import inf
from typing import Any, Final

import numpy as np

from sim.nodes.cloud import Cloud, Session

FIELDS: Final = 3
"""Numbers of one sample that is ready: since when, when it was opened if nobody waits for it any more, operations."""


class SharedCloud(Cloud):
    """A cloud that is told when it is its samples' turn.

    Between a window's messages and its verdicts a message may have closed a sample that was decided before that: such a
    message counts only if it came before the verdict.

    Attributes:
        verdicts: the queue that verdicts are put on.
    """

    __slots__ = ("_given_up_s", "_left_s", "_queued", "_ready", "verdicts")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.verdicts: list[Any] = []
        self._ready = array("d")
        self._queued: list[Session] = []
        self._left_s: dict[tuple[int, int], float] = {}
        self._given_up_s = inf

    def ready(self) -> array[float]:
        """What has become ready since this was last asked, in its order; `FIELDS` numbers each."""
        ready, self._ready = self._ready, array("d")
        return ready

    def take_turns(self, ready: Sequence[array[float]], own: int) -> None:
        """Queues what has become ready everywhere, and puts the verdicts on what is ready here on the clock.

        Args:
            ready: of every process, in the order of their sites.
            own: place of this process among them.
        """
        ready_s, given_up_s, flops = np.array([number for part in ready for number in part]).reshape(-1, FIELDS).T
        first = sum(len(part) for part in ready[:own]) // FIELDS
        order = np.lexsort((given_up_s, ready_s))
        # As events of one time on one clock: deadlines first, as they were set; then messages, by site.
        done_s = {place: self.reserve(when_s, work) for place, when_s, work in _rows(order, ready_s, flops)}
        clock, queued = self.services.clock, self._queued
        self._queued = []
        for place, session in enumerate(queued, first):
            heappush(self.verdicts, (done_s[place], clock.NORMAL, clock.number(), _judge, self, session))

    def _give_up(self, session: Session) -> None:
        self._given_up_s = session.opened_s
        super()._give_up(session)
        self._given_up_s = inf

    def _work(self, session: Session, flops: float) -> None:
        self._ready.extend((self.services.clock.now, self._given_up_s, flops))
        self._queued.append(session)

    def _close(self, session: Session) -> None:
        if session.working:
            self._left_s[session.site, session.sample] = self.services.clock.now
        super()._close(session)

    def _is_over(self, session: Session) -> bool:
        left_s = self._left_s.pop((session.site, session.sample), inf)
        session.working = False
        return left_s < self.services.clock.now


def _judge(entry: tuple[Any, ...]) -> None:
    cloud, session = entry[4:]
    cloud._judge(session)


def _rows(order: np.ndarray, *columns: np.ndarray) -> zip[tuple[Any, ...]]:
    return zip(order.tolist(), *(column[order].tolist() for column in columns), strict=True)
