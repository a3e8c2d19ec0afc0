"""A set of tasks: what is spawned ends before its owner has stopped."""

import asyncio

import pytest

from relay.errors import Stopping
from relay.tasks import TaskSet


async def test_a_task_ends_within_the_grace_and_answers_its_caller():
    tasks, gate = TaskSet(), asyncio.Event()

    async def work():
        await gate.wait()
        return "done"

    task = tasks.spawn(work())
    asyncio.get_running_loop().call_later(0.01, gate.set)
    await tasks.drain(10)

    assert ("done", 0) == (task.result(), len(tasks))


async def test_a_task_that_is_late_is_cancelled_and_has_ended_when_the_set_is_drained():
    tasks, ended = TaskSet(), []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    task = tasks.spawn(work())
    await asyncio.sleep(0)
    await tasks.drain(0.01)

    assert (True, [True]) == (task.cancelled(), ended)


async def test_nothing_begins_after_the_set_is_closed():
    tasks, begun = TaskSet(), []

    async def work():
        begun.append(True)

    tasks.close()
    with pytest.raises(Stopping):
        tasks.spawn(work())
    await tasks.drain(1)

    assert (True, []) == (tasks.is_closed, begun)


async def test_a_failed_task_fails_its_caller_and_not_the_drain():
    tasks = TaskSet()

    async def work():
        raise LookupError

    task = tasks.spawn(work())
    await tasks.drain(1)

    with pytest.raises(LookupError):
        await task
