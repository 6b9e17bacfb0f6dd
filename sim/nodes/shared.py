"""The one cloud as each of several processes has it: its own sites' samples, and its place in the common queue.

Sites do not talk to each other, and the cloud keeps a sample of one site apart from all others. All that samples share
is the cloud's processor, which takes them in the order in which they are ready. So a process works on the samples of
its own sites alone, says what is ready and when, is told the same by the others, and reckons the whole queue.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush
from math import inf
from typing import Any, Final, NamedTuple

import numpy as np

from sim.nodes.cloud import Cloud, Session

FIELDS: Final = 3
"""Numbers of one sample that is ready: since when, when it was opened if it was given up, operations."""


class _Queued(NamedTuple):
    """A sample that is ready here; `presses`: it was given up, so that nodes below may not be done with it."""

    session: Session
    ready_s: float
    presses: bool


class SharedCloud(Cloud):
    """A cloud that is told when it is its samples' turn.

    Verdicts are given when all messages of their time have come, and some that came later: a message that closes a
    sample counts only if it came before the verdict.

    Attributes:
        verdicts: the queue that they are put on.
    """

    __slots__ = ("_given_up_s", "_left_s", "_pool", "_pressing", "_queued", "_ready", "verdicts")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.verdicts: list[Any] = []
        self._ready = array("d")
        self._queued: deque[_Queued] = deque()
        self._pool = np.zeros((FIELDS + 1, 0))
        self._pressing: list[float] = []
        self._left_s: dict[tuple[int, int], float] = {}
        self._given_up_s = inf

    def ready(self) -> array[float]:
        """What has become ready since this was last asked, in its order; `FIELDS` numbers each."""
        ready, self._ready = self._ready, array("d")
        return ready

    def waiting(self) -> int:
        """Samples that are ready here, but without a verdict."""
        return len(self._queued) + len(self.verdicts)

    def decides_from(self) -> float:
        """No verdict on what is ready here will be given before this time."""
        soonest_s = self._queued[0].ready_s if self._queued else inf
        return min(soonest_s, self.verdicts[0][0]) if self.verdicts else soonest_s

    def presses_from(self, from_s: float) -> float:
        """No verdict on a sample that is given up comes before this time, if no message comes before `from_s`."""
        while self._pressing and self._pressing[0] < (self.verdicts[0][0] if self.verdicts else inf):
            heappop(self._pressing)
        queued_s = next((queued.ready_s for queued in self._queued if queued.presses), inf)
        soonest_s = min(queued_s, self._pressing[0]) if self._pressing else queued_s
        opened_s = next((session.opened_s for session in self._sessions.values() if not session.working), inf)
        return min(soonest_s, min(opened_s, from_s) + self.wait_s)

    def take_turns(self, ready: Sequence[array[float]], own: int, until_s: float) -> None:
        """Queues what has become ready everywhere, and puts the verdicts on what is ready here on their queue.

        Args:
            ready: of every process, in the order of their sites.
            own: place of this process among them.
            until_s: everything is known that became ready before.
        """
        if any(ready):
            new = [np.array(part).reshape(-1, FIELDS) for part in ready]
            whose = np.repeat(np.arange(len(ready), dtype=float), [len(part) for part in new])
            self._pool = np.c_[self._pool, np.vstack([np.concatenate(new).T, whose])]
        if not self._pool.size:
            return
        ready_s, given_up_s, _, whose = self._pool
        # As events of one time on one clock: deadlines first, as they were set; then messages, by site.
        order = np.lexsort((whose, given_up_s, ready_s))
        order = order[: np.searchsorted(ready_s[order], until_s)]
        for when_s, _, flops, process in self._pool[:, order].T.tolist():
            done_s = self.reserve(when_s, flops)
            if process == own:
                self._appoint(self._queued.popleft(), done_s)
        self._pool = np.delete(self._pool, order, axis=1)

    def _appoint(self, queued: _Queued, done_s: float) -> None:
        clock = self.services.clock
        heappush(self.verdicts, (done_s, clock.NORMAL, clock.number(), _judge, self, queued.session))
        if queued.presses:
            heappush(self._pressing, done_s)

    def _give_up(self, session: Session) -> None:
        self._given_up_s = session.opened_s
        super()._give_up(session)
        self._given_up_s = inf

    def _work(self, session: Session, flops: float) -> None:
        now_s, given_up_s = self.services.clock.now, self._given_up_s
        self._ready.extend((now_s, given_up_s, flops))
        self._queued.append(_Queued(session, now_s, given_up_s < inf))

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
