"""When jobs are run. Time is the test's own: resting moves the clock."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from relay.jobs.schedule import FIRST_SECONDS, JITTER, Scheduler, seconds_left
from relay.tasks import rest
from store.errors import Unavailable

HOUR = 3600.0
EVERY = timedelta(hours=1)


class Rests:
    """Moves the clock instead of waiting; the scheduler is stopped after so many times."""

    def __init__(self, clock, times):
        self.clock, self.times, self.seconds = clock, times, []

    async def __call__(self, stop, seconds):
        await asyncio.sleep(0)
        self.seconds.append(seconds)
        self.clock.advance(seconds=seconds)
        if len(self.seconds) >= self.times:
            stop.set()


class Rounds:
    """A job that writes down when it was run, each round taking so many seconds, or failing."""

    def __init__(self, clock, *, takes=0.0, fails=None):
        self.clock, self.takes, self.fails, self.at = clock, takes, fails, []

    async def __call__(self, stop):
        self.at.append(self.clock.now())
        self.clock.advance(seconds=self.takes)
        if self.fails is not None:
            raise self.fails


async def run(clock, *jobs, times, chance=0.0, every=EVERY):
    rests = Rests(clock, times)
    scheduler = Scheduler(clock=clock, chance=lambda: chance, rest=rests)
    for number, job in enumerate(jobs):
        scheduler.add(f"job {number}", every=every, run=job)
    scheduler.start()
    await scheduler._tasks.drain(10)
    return rests.seconds


def gaps(job):
    return [(later - earlier).total_seconds() for earlier, later in pairwise(job.at)]


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, FIRST_SECONDS / 2), (1.0, FIRST_SECONDS)])
async def test_the_first_round_comes_seconds_after_the_start(clock, chance, seconds):
    started, job = clock.now(), Rounds(clock)

    await run(clock, job, times=2, chance=chance)

    assert [started + timedelta(seconds=seconds)] == job.at


async def test_a_job_with_a_short_interval_does_not_wait_longer_for_its_first_round(clock):
    job = Rounds(clock)

    assert [0.5, 1.0] == await run(clock, job, times=2, every=timedelta(seconds=1))


@pytest.mark.parametrize("takes", [0.0, 1.0, HOUR - 1])
async def test_rounds_begin_an_interval_after_one_another_however_long_each_takes(clock, takes):
    job = Rounds(clock, takes=takes)

    await run(clock, job, times=5)

    assert [HOUR] * 3 == gaps(job)


async def test_chance_adds_a_tenth_of_the_interval_at_most(clock):
    job = Rounds(clock)

    await run(clock, job, times=4, chance=0.5)

    assert [HOUR * (1 + JITTER / 2)] * 2 == gaps(job)


async def test_a_round_that_took_longer_than_the_interval_is_followed_at_once(clock):
    job = Rounds(clock, takes=2.5 * HOUR)

    assert [0.0, 0.0] == (await run(clock, job, times=3))[1:]
    assert [2.5 * HOUR] == gaps(job)


@pytest.mark.parametrize(
    ("passed", "left"), [(0, HOUR), (1, HOUR - 1), (HOUR, 0), (10 * HOUR, 0), (-10 * HOUR, HOUR), (-1, HOUR)]
)
def test_a_clock_that_was_set_makes_nobody_wait_longer_than_an_interval(passed, left):
    assert left == seconds_left(EVERY, timedelta(seconds=passed), jitter=0)


@pytest.mark.parametrize("error", [Unavailable(), ValueError("a bug")])
async def test_a_job_that_fails_is_told_and_run_again_at_its_next_time(clock, error):
    job = Rounds(clock, fails=error)

    with capture_logs() as lines:
        await run(clock, job, times=4)

    assert [HOUR, HOUR] == gaps(job)
    assert [("job_failed", "job 0")] * 3 == [(line["event"], line["job"]) for line in lines]


async def test_a_job_that_fails_hurts_no_other(clock):
    failing, other = Rounds(clock, fails=ValueError("a bug")), Rounds(clock)

    with capture_logs():
        await run(clock, failing, other, times=6)

    assert len(failing.at) >= 2
    assert len(other.at) >= 2


async def test_jobs_run_side_by_side_and_none_beside_itself(clock):
    open_, most = {"a": 0, "b": 0}, []
    both = asyncio.Barrier(2)

    def job(name):
        async def round_(stop):
            open_[name] += 1
            most.append(open_[name])
            await both.wait()  # would never pass if they came one after the other
            open_[name] -= 1
            if len(most) == 6:
                stop.set()

        return round_

    async with asyncio.timeout(20):
        await run(clock, job("a"), job("b"), times=99)

    assert [1] * 6 == most


# Stopping


@pytest.fixture
async def begun(clock):
    """A scheduler whose only job has begun its round: it does what is asked for, having been told to stop or not."""
    schedulers = []

    async def begin(round_):
        reached = asyncio.Event()

        async def job(stop):
            reached.set()
            await round_(stop)

        scheduler = Scheduler(clock=clock)
        scheduler.add("job", every=timedelta(milliseconds=1), run=job)
        scheduler.start()
        schedulers.append(scheduler)
        async with asyncio.timeout(20):
            await reached.wait()
        return scheduler

    yield begin
    for scheduler in schedulers:
        await scheduler.stop(0)


async def test_a_scheduler_that_only_waits_stops_at_once(clock):
    scheduler = Scheduler(clock=clock)
    scheduler.add("daily", every=timedelta(days=1), run=Rounds(clock))
    scheduler.start()

    async with asyncio.timeout(20):
        await scheduler.stop(HOUR)


async def test_a_round_under_way_is_told_to_stop_and_ends_in_its_own_time(begun):
    ended = []

    async def until_told(stop):
        await stop.wait()
        await asyncio.sleep(0)
        ended.append(True)

    scheduler = await begun(until_told)
    async with asyncio.timeout(20):
        await scheduler.stop(HOUR)

    assert [True] == ended


async def test_a_round_that_does_not_end_in_time_is_broken_off(begun):
    broken = []

    async def deaf(stop):
        try:
            await asyncio.Event().wait()
        finally:
            broken.append(True)

    scheduler = await begun(deaf)
    async with asyncio.timeout(20):
        await scheduler.stop(0.01)

    assert [True] == broken


@pytest.mark.parametrize("jobs", [0, 1])
async def test_what_was_never_started_can_be_stopped(clock, jobs):
    scheduler = Scheduler(clock=clock)
    for number in range(jobs):
        scheduler.add(str(number), every=EVERY, run=Rounds(clock))

    await scheduler.stop(HOUR)


async def test_resting_ends_with_its_time_or_when_told():
    stop = asyncio.Event()
    await rest(stop, 0.0)
    assert not stop.is_set()

    resting = asyncio.ensure_future(rest(stop, HOUR))
    stop.set()
    async with asyncio.timeout(20):
        await resting
