"""A header section, however hostile, never keeps the event loop from its other work for more than 5 ms at a time.

Each step of each task is measured in CPU time of the loop's thread; and, in the threads for large sections, each call
of a C function, which no other thread can interrupt. Both count in the units of tests/cost.py.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from relay.errors import HeaderTooLarge, MailLoop
from relay.inbound.receive import ReceiveContext
from relay.mail.routes import Routes
from relay.wiring import SenderAuthenticator
from tests.auth.mails import rsa_record
from tests.cost import SECOND, unit_seconds
from tests.fakes import FakeResolver
from tests.inbound.way_in import HOSTNAME, SHARED, WayIn
from tests.places import Places

BOT = "bot@agents.example"
HOLD = 0.005 * SECOND  # units: what a machine like that of tests/cost.py does in 5 ms
SIZES = (800, 16_000, 250_000)  # bytes of a section: many fields or long ones read on the loop, and in a thread
ROUNDS = 12  # other work on the machine only adds
SIGNATURE = b"DKIM-Signature: v=1; a=rsa-sha256; d=a%d.example; s=s; h=%sfrom; bh=" + b"A" * 43 + b"=; b=%s=="
SEAL = b"ARC-Seal: i=%d; a=rsa-sha256; d=a.example; s=s; cv=%s; b="
ARC = b"ARC-Message-Signature: i=%d; a=rsa-sha256; d=a.example; s=s; h=%sfrom; bh=AAAA; b=AAAA"


def field(name: bytes, part: bytes) -> Callable[[int], bytes]:
    """A section of one field that repeats *part*."""
    return lambda size: name + b": " + part * ((size - 100) // len(part))


def fields(line: bytes, most: int = 1990) -> Callable[[int], bytes]:
    """A section that repeats *line*, filled up so that the number of fields stays below the bound."""

    def make(size: int) -> bytes:
        number = min(most, (size - 100) // (len(line) + 2))
        padding = b"x" * (size // number - len(line) - 2)
        return b"\r\n".join([line + padding] * number)

    return make


def signatures(size: int) -> bytes:
    number = min(50, size // 4000)
    return b"\r\n".join(SIGNATURE % (each, b"x:" * 990, b"A" * 1300) for each in range(number))


def chain(size: int) -> bytes:
    number = min(10, size // 6000)
    return b"\r\n".join(
        line
        for each in range(1, number + 1)
        for line in (
            SEAL % (each, b"pass" if each > 1 else b"none") + b"A" * 1024,
            ARC % (each, b"x:" * 900),
            b"ARC-Authentication-Results: i=%d; x" % each + b"y" * 2000,
        )
    )


HOSTILE = {
    "fields without value": fields(b"a:"),
    "lines that are no field": fields("\uff26ro \ufdfa".encode() * 10),
    "fields of one letter": lambda size: b"\r\n".join(b"%d:" % each for each in range(min(1990, size // 8))),
    "signatures over many fields": signatures,
    "a chain of ten": chain,
    "results": fields(b"Authentication-Results: " + b"(" * 20),
    "one result of comments": field(b"Authentication-Results", b"()"),
    "hops": fields(b"Received: by mx.here.example with x id ", most=49),
    "a recipient list": field(b"To", b"a@b.example, "),
    "a list of quotes": field(b"Cc", b'"\\"" <a@b>,'),
    "encoded words": field(b"Subject", b"=?utf-8?q?=C3=BC?= "),
    "encoded words of names": field(b"Reply-To", b"=?utf-8?b?w7w=?= <a@b>, "),
    "folds": field(b"Subject", b"\r\n x"),
    "references": field(b"References", b"<a@b> "),
    "a reference without end": field(b"References", b"<"),
    "an author of comments": field(b"From", b"("),
    "an author of quotes": field(b"From", b'\\"'),
    "a date": field(b"Date", b"1 "),
    "a list of tags": field(b"DKIM-Signature", b"a=;"),
    "a signature of blanks": field(b"DKIM-Signature", b" \t"),
    "automatic": field(b"Auto-Submitted", b"(x)"),
    "links": field(b"X-A", b"bXNnX"),
    "links in quoted-printable": field(b"X-A", b"=62XNnX"),
}


class Timed(Coroutine):
    """A task's coroutine whose steps are timed."""

    def __init__(self, inner: Coroutine, note: Callable[[float], None]) -> None:
        self._inner, self._note = inner, note

    def send(self, value):
        return self._step(lambda: self._inner.send(value))

    def throw(self, *error):
        return self._step(lambda: self._inner.throw(*error))

    def close(self):
        self._inner.close()

    def __await__(self):
        return self._inner.__await__()

    def _step(self, step):
        start = time.thread_time()
        try:
            return step()
        finally:
            self._note(time.thread_time() - start)


class Watch:
    """The longest step on the loop, and the longest C call in its worker threads, in seconds of CPU."""

    def __init__(self) -> None:
        self.step = self.call = 0.0
        self.called = ""
        self._began = threading.local()

    def note(self, seconds: float) -> None:
        self.step = max(self.step, seconds)

    def task(self, loop, coroutine, **options):
        return asyncio.Task(Timed(coroutine, self.note), loop=loop, **options)

    def profile(self, _frame, event: str, argument) -> None:
        """What sys.setprofile calls: a C call that calls nothing else ends at once after its begin."""
        began = getattr(self._began, "at", None)
        if event == "c_return" and began is not None and (spent := time.thread_time() - began) > self.call:
            self.call, self.called = spent, str(argument)
        self._began.at = time.thread_time() if event == "c_call" else None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(self.task)
        loop.set_default_executor(ThreadPoolExecutor(1, initializer=lambda: sys.setprofile(self.profile)))


@pytest.fixture
async def sqlite_way_in(sqlite_store, clock, master) -> WayIn:
    zone = {(f"s._domainkey.a{each}.example", "TXT"): [rsa_record(bits=1024)] for each in ["", *range(50)]}
    resolver = FakeResolver(zone)
    routes = Routes(hostname=HOSTNAME, postmaster=None, shared_domain=SHARED)
    context = ReceiveContext(
        store=sqlite_store, judge=SenderAuthenticator(resolver), clock=clock, master=master, routes=routes
    )
    return WayIn(context, Places(clock, master), resolver)


async def holds(way_in: WayIn, mail: bytes) -> tuple[float, float, str]:
    """The longest step and the longest C call of receiving *mail*, in units."""
    recipient = await way_in.admit(BOT)
    watch = Watch()
    watch.start()
    before = unit_seconds()
    with suppress(HeaderTooLarge, MailLoop):
        await asyncio.create_task(way_in.receive(mail, to=[BOT], admitted=[recipient]))
    unit = max(before, unit_seconds())
    return watch.step / unit, watch.call / unit, watch.called


@pytest.mark.parametrize("size", SIZES)
async def test_no_header_section_holds_the_loop_for_more_than_5_milliseconds(sqlite_way_in, size):
    await sqlite_way_in.agent(BOT)
    found = {}
    for number, (name, make) in enumerate(HOSTILE.items()):
        section = b"X-Mail: %d\r\n" % number + make(size)
        for each in range(ROUNDS):
            mail = section + b"\r\nX-Round: %d\r\n\r\nhi\r\n" % each
            step, call, called = await holds(sqlite_way_in, mail)
            if name not in found or max(step, call) < max(found[name][:2]):
                found[name] = (step, call, called)
            if max(step, call) < HOLD:
                break

    assert {} == {name: each for name, each in found.items() if max(each[:2]) >= HOLD}
