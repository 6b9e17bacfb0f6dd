"""The networks that a sweep needs: each is trained once, in a worker, before the points that run on it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from sim import ddnn
from sim.sweep.crew import Crew
from sim.sweep.expand import Values
from sim.sweep.points import Need
from sim.sweep.pools import Pool
from sim.sweep.progress import Meter, Progress
from sim.sweep.work import Job, Trained, Wanted, train


def obtain(job: Job, wanted: Mapping[Need, Values], pool: Pool, progress: Progress) -> dict[Need, Trained]:
    """Every network in `wanted`, from the cache or trained in parallel; or why it could not be had.

    Args:
        job: what all points have in common.
        wanted: each need, with the values of a point that has it.
        pool: who trains.
        progress: told how far it is.

    Raises:
        SetupError: the pool is gone.
    """
    found = {need: Trained(0, digest, None, 0.0) for need in wanted if (digest := there(need)) is not None}
    needs = [need for need in wanted if need not in found]
    meter = Meter("networks", len(wanted), progress, done=len(found))

    def deliver(answers: list[Trained]) -> None:
        found.update((needs[answer.number], answer) for answer in answers)
        meter.tell(len(answers), sum(answer.error is not None for answer in answers))

    def give_up(task: Wanted, reason: str) -> None:
        deliver([Trained(task.number, "", f"the network could not be trained: {reason}", 0.0)])

    meter.tell()
    crew = Crew(pool, partial(train, job), deliver, give_up, lambda answer: answer.wall_s)
    crew.run([Wanted(number, wanted[need]) for number, need in enumerate(needs)])
    return found


def there(need: Need) -> str | None:
    """The digest of a network's weights if it is in the cache."""
    network = ddnn.stored(need.spec, need.training, need.dataset)
    return None if network is None else network.sha256
