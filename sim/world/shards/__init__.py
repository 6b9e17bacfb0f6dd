"""One fleet over several processes of one machine, with the tables of one process (`fogfleet run --shards N`).

Every process simulates a range of sites with all that they have at the cloud (`work`); per window of time the processes
tell each other what has become ready at the cloud's processor (`peers`, `sim.nodes.shared`). Their rows go to the
process that started them (`crew`), which has the fleet as a whole and writes the files (`gather`).
"""

from sim.world.shards.crew import Crew
from sim.world.shards.fit import check

__all__ = ["Crew", "check"]
