"""What becomes of the network between agent and coordinator."""

import time

from tests.chaos.faults.fault import fault, survive
from tests.chaos.ground import Ground
from tests.chaos.proxy import FINE, Weather


def _part(ground: Ground, leases: float) -> str:
    job = ground.begin()
    ground.proxy.change(Weather(parted=True))
    time.sleep(leases * ground.lease_seconds)
    ground.proxy.change(FINE)
    return job


@fault("agent and coordinator are parted for a third of a lease")
def part_briefly(ground: Ground) -> float:
    return survive(ground, _part(ground, 1 / 3), attempts=1)


@fault("agent and coordinator are parted for nearly a lease")
def part_nearly(ground: Ground) -> float:
    job = _part(ground, 0.9)
    seconds = ground.until_it_goes_on(job)
    ground.finish(job)  # whether the lease lives is a matter of when it was last renewed
    return seconds


@fault("agent and coordinator are parted for just more than a lease")
def part_longer(ground: Ground) -> float:
    job = _part(ground, 1.1)
    seconds = ground.until_it_goes_on(job)
    ground.finish(job)
    return seconds


@fault("agent and coordinator are parted for 10 leases", leases=1.0)
def part_for_long(ground: Ground) -> float:
    job = _part(ground, 10)
    return survive(ground, job, attempts=2)


@fault("the connection is half-open for 1.5 leases")
def freeze(ground: Ground) -> float:
    job = ground.begin()
    ground.proxy.change(Weather(frozen=True))
    time.sleep(1.5 * ground.lease_seconds)
    ground.proxy.change(FINE)
    seconds = ground.until_it_goes_on(job)
    ground.finish(job)
    return seconds


@fault("requests and answers are lost, doubled, late and out of order")
def bad_weather(ground: Ground) -> float:
    weather = Weather(
        delay_seconds=0.02, lost_requests=0.05, lost_answers=0.1, doubled=0.2, reordered=0.2
    )
    ground.proxy.change(weather)
    job = ground.begin()
    began = time.monotonic()
    done = ground.finish(job)
    ground.proxy.change(FINE)
    assert done.iteration > 0
    assert ground.proxy.counts["doubled"], "nothing was doubled: nothing was tried"
    return time.monotonic() - began
