"""The process that has the fleet as a whole: it starts the others, writes what they hand on, and adds up the rest."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import combinations, pairwise
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from sim.clock import Clock
from sim.ddnn import Inference
from sim.errors import SetupError
from sim.forks import workers
from sim.ledger.faults import FaultLog
from sim.ledger.relay import Batch, JointLog
from sim.ledger.samples import SampleBook
from sim.nodes.shortcut import Shortcut
from sim.world.fleet import Builder, Fleet
from sim.world.play import Outcome, few_collections
from sim.world.prepare import Prepared, Progress
from sim.world.shards.gather import Share, put_together
from sim.world.shards.work import Job, Place, work
from sim.world.steering import steering
from sim.world.wiring import check, forms, open_samples, services, switch_off

REPORTS: Final = 100
"""How often each process tells how far it is, at least."""


class Crew:
    """The processes of a run; they begin to load when this is made, and start with `play`."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._context: Any = workers("sim.world.shards.work")

    def shards(self, sites: int) -> int:
        """How many processes share so many sites: no more than there are sites."""
        return min(self._size, sites)

    def play(
        self,
        prepared: Prepared,
        inference: Inference,
        messages: Path | None,
        run: str,
        progress: Progress | None = None,
    ) -> Outcome:
        """As `sim.world.play.play` without a carrier, for fleets that `check` lets pass.

        Raises:
            InvariantError: a conservation check failed.
            SetupError: a process died.
        """
        every_s = prepared.samples * prepared.period_s / REPORTS
        scenario, sites = prepared.scenario, prepared.scenario.sites
        wanted = Job(scenario.to_json(), scenario.path, prepared.dataset, prepared.network, inference, run, every_s)
        job = pickle.dumps(wanted, pickle.HIGHEST_PROTOCOL)
        with few_collections(), self._processes(job, _ranges(sites, self.shards(sites))) as tellers:
            return _gather(prepared, inference, tellers, messages, run, progress)

    @contextmanager
    def _processes(self, job: bytes, ranges: Sequence[range]) -> Iterator[dict[Connection, BaseProcess]]:
        """Starts the processes; gives what each tells. They are gone in the end."""
        with ExitStack() as stack:
            held, leash = self._context.Pipe(duplex=False)
            links: list[dict[int, Connection]] = [{} for _ in ranges]
            for one, other in combinations(range(len(ranges)), 2):
                links[one][other], links[other][one] = self._context.Pipe()
            found: dict[Connection, BaseProcess] = {}
            stack.callback(_end, leash, found)
            for number, sites in enumerate(ranges):
                heard, tell = self._context.Pipe(duplex=False)
                place = Place(number, sites, links[number])
                process = self._context.Process(target=work, args=(job, place, tell, held), daemon=True)
                try:
                    process.start()
                except OSError as error:
                    raise SetupError(f"shard {number + 1} of {len(ranges)} could not be started: {error}") from error
                found[heard] = process
                for theirs in (tell, *links[number].values()):
                    theirs.close()
            held.close()
            yield found


def _end(leash: Connection, processes: dict[Connection, BaseProcess]) -> None:
    leash.close()
    for heard, process in processes.items():
        heard.close()
        process.join()


def _ranges(sites: int, shards: int) -> list[range]:
    """The sites of each process, as evenly as can be."""
    ends = [sites * number // shards for number in range(shards + 1)]
    return [range(*pair) for pair in pairwise(ends)]


def _gather(
    prepared: Prepared,
    inference: Inference,
    tellers: dict[Connection, BaseProcess],
    messages: Path | None,
    run: str,
    progress: Progress | None,
) -> Outcome:
    clock, scenario = Clock(), prepared.scenario
    book, log = SampleBook(scenario.sites, prepared.samples), JointLog(messages, len(tellers))
    try:
        fabric = Shortcut(clock, log, forms(scenario.mqtt))
        fleet = Builder(prepared.plan, services(prepared, inference, clock, fabric, book), run).build()
        switch_off(fleet, scenario.down)
        open_samples(prepared, book)
        steered = steering(prepared, fleet, clock, inference, None)
        steered.start(fleet)
        shares = _listen(prepared, tellers, log, progress)
    finally:
        log.close()
    put_together(shares, fleet, book)
    check(prepared, fleet, book, log)
    return _outcome(fleet, book, log, shares, steered)


def _listen(
    prepared: Prepared, tellers: dict[Connection, BaseProcess], log: JointLog, progress: Progress | None
) -> list[Share]:
    """Writes what is handed on, until all have told their share."""
    hearing = list(tellers)
    shares: dict[int, Share] = {}
    while len(shares) < len(hearing):
        ready = wait([heard for number, heard in enumerate(hearing) if number not in shares])
        for number, heard in enumerate(hearing):
            if heard not in ready:
                continue
            told = _told(heard, tellers[heard], number, len(hearing))
            if isinstance(told, Batch):
                log.add(number, told)
            else:
                shares[number] = told
        log.settle(log.until_s)
        if progress is not None:
            progress("simulating", prepared.due(log.until_s), prepared.samples)
    return [shares[number] for number in sorted(shares)]


def _told(heard: Any, process: BaseProcess, number: int, of: int) -> Batch | Share:
    """What a process says next; raises what went wrong there."""
    try:
        told = heard.recv()
    except (EOFError, OSError) as error:
        process.join()
        raise SetupError(
            f"shard {number + 1} of {of} died (exit code {process.exitcode}); if memory ran out, use fewer shards"
        ) from error
    if isinstance(told, BaseException):
        raise told
    return told  # type: ignore[no-any-return]


def _outcome(fleet: Fleet, book: SampleBook, log: JointLog, shares: Sequence[Share], steered: Any) -> Outcome:
    return Outcome(
        fleet,
        book,
        log,
        FaultLog(),
        divergences=0,
        unasked=0,
        overheard_bytes=sum(share.overheard_bytes for share in shares),
        virtual_s=max(share.virtual_s for share in shares),
        steering=steered,
    )
