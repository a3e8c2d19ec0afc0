"""What the SMTP server uses of asyncio, which object holds which, and how a session runs without a task."""

import asyncio
from typing import Any, get_args, get_type_hints

import pytest

from relay.errors import Misconfigured
from relay.smtp import shell
from relay.smtp.connection import SmtpConnection
from relay.smtp.context import SmtpContext
from relay.smtp.stepped import Stepped, parked
from relay.smtp.wire import Wire


def test_what_is_installed_has_all_the_shell_needs():
    shell.check_shell()


def test_a_missing_private_name_of_asyncio_is_named():
    with pytest.raises(Misconfigured, match=r"asyncio\.sslproto\.SSLProtocol\._no_such_method"):
        shell.check_shell(tls_methods=("_no_such_method",))
    with pytest.raises(Misconfigured, match=r"SSLProtocol\._nothing"):
        shell.check_shell(tls_attributes=("_app_transport", "_nothing"))


@pytest.mark.parametrize("kind", [SmtpConnection, Wire])
def test_a_connection_and_its_wire_hold_what_they_use_and_inherit_nothing(kind):
    assert (kind, object) == kind.__mro__


def parts(hint):
    """A type and all types it is made of."""
    yield hint
    for each in get_args(hint):
        for inner in each if isinstance(each, list) else [each]:
            yield from parts(inner)


def test_the_context_says_what_admit_and_receive_take_and_return():
    for name, hint in get_type_hints(SmtpContext).items():
        assert not {Any, object} & set(parts(hint)), name


class Run:
    """A coroutine that is stepped, and what became of it."""

    def __init__(self, steps):
        self.ends, self.ended = [], asyncio.Event()
        self.stepped = Stepped(asyncio.get_running_loop(), self._end)
        self.stepped.start(steps)

    def _end(self, error):
        self.ends.append(error)
        self.ended.set()


async def test_a_parked_coroutine_goes_on_within_the_call_that_wakes_it():
    seen = []

    async def steps():
        for number in range(3):
            seen.append(number)
            await parked()

    run = Run(steps())
    assert [0] == seen
    run.stepped.wake()
    assert [0, 1] == seen
    run.stepped.wake_soon()
    assert [0, 1] == seen
    await asyncio.sleep(0)
    assert [0, 1, 2] == seen
    assert run.stepped.is_running
    run.stepped.wake()
    assert [None] == run.ends
    assert not run.stepped.is_running
    run.stepped.wake()
    assert [None] == run.ends


async def test_it_waits_for_futures_sleeps_and_tasks_and_is_not_woken_meanwhile():
    future, seen = asyncio.get_running_loop().create_future(), []

    async def work():
        async with asyncio.timeout(5):  # needs a task
            await asyncio.sleep(0)
        return "worked"

    async def steps():
        seen.append(await future)
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        seen.append(await asyncio.create_task(work()))

    run = Run(steps())
    run.stepped.wake()
    assert [] == seen
    future.set_result("future")
    await run.ended.wait()
    assert ["future", "worked"] == seen
    assert [None] == run.ends


async def test_cancel_ends_a_wait_for_a_future_and_no_other():
    seen = []

    async def steps():
        await parked()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            seen.append("cancelled")

    run = Run(steps())
    run.stepped.cancel()
    run.stepped.wake()
    assert [] == seen
    run.stepped.cancel()
    await asyncio.sleep(0)
    assert ["cancelled"] == seen
    assert [None] == run.ends


async def test_what_it_raises_is_told_at_its_end():
    async def steps():
        await parked()
        raise LookupError("a bug")

    run = Run(steps())
    run.stepped.wake()
    assert isinstance(run.ends[0], LookupError)


async def test_an_exception_that_ends_the_program_is_raised_too():
    async def steps():
        await parked()
        raise KeyboardInterrupt

    run = Run(steps())
    with pytest.raises(KeyboardInterrupt):
        run.stepped.wake()
    assert isinstance(run.ends[0], KeyboardInterrupt)
