"""The senders: so many mails over so many connections at once, in a process of their own.

``python -m tests.bench.load --port 2525 --rcpt agent@agents.example --corpus corpus.json --mails 2000`` prints one
JSON object: when it began and ended, and for each accepted mail the id its 250 named and the times of its final dot
and of its 250. Times are CLOCK_MONOTONIC in nanoseconds, the same clock for every process of the machine.
"""

import argparse
import asyncio
import gc
import json
import time
from collections import Counter, deque
from pathlib import Path
from typing import Final

import uvloop

from tests.bench.world import HELO, MAIL_FROM, SENDER, read_corpus

SOURCES: Final = 200  # sender addresses, 127.1.0.1 and on: a limit per peer is for strangers, not for the bench
_RETRIES: Final = 200  # and one for each ten mails: a server may end a connection after so many
_BRIEF: Final = 80  # bytes of a refusal worth keeping

_AFTER_GREETING: Final = 0
_SCRIPT: Final = (b"220", b"250", b"250", b"250", b"354", b"250", b"221")  # greeting EHLO MAIL RCPT DATA dot QUIT
_EHLO, _MAIL, _RCPT, _DATA, _DOT, _QUIT = range(1, 7)


class Plan:
    """The mails still to send and what became of the others."""

    def __init__(self, corpus: list[bytes], mails: int, *, rcpt: str, fresh: bool) -> None:
        run = time.time_ns()
        self.todo = deque(
            b"Message-ID: <%d.%d@%s>\r\n%s\r\n.\r\n"
            % (number, run, SENDER.encode(), corpus[number % len(corpus)].removesuffix(b"\r\n"))
            for number in range(mails)
        )
        self.fresh = fresh
        self.greeting = b"EHLO %s\r\n" % HELO.encode()
        self.sender = b"MAIL FROM:<%s>\r\n" % MAIL_FROM.encode()
        self.rcpt = b"RCPT TO:<%s>\r\n" % rcpt.encode()
        self.accepted: list[tuple[str, int, int]] = []
        self.refused: Counter[str] = Counter()
        self.connections = 0
        self.retries = 0
        self._most_retries = _RETRIES + mails // 10

    def give_back(self, mail: bytes | None, why: str) -> None:
        """A connection ended before the final dot of *mail*: it goes again, unless that has happened too often."""
        self.retries += 1
        if mail is not None:
            self.todo.append(mail)
        if self.retries > self._most_retries:
            self.refused[why] += len(self.todo)
            self.todo.clear()


class Conversation(asyncio.Protocol):
    """One connection, command by command as a sender without PIPELINING: each server gets the same treatment."""

    def __init__(self, plan: Plan, ended: asyncio.Future[None]) -> None:
        self._plan = plan
        self._ended = ended
        self._step = _AFTER_GREETING
        self._rest = b""
        self._mail: bytes | None = None
        self._dot = 0
        self._failed = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._plan.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        if self._step != _QUIT and not self._failed:
            self._fail(b"connection lost")
        if not self._ended.done():
            self._ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        self._rest = data
        last = data[:-2].rpartition(b"\r\n")[2]
        if data.endswith(b"\r\n") and last[3:4] != b"-":
            self._rest = b""
            self._hear(last)

    def _hear(self, reply: bytes) -> None:
        now = time.monotonic_ns()
        if not reply.startswith(_SCRIPT[self._step]):
            self._fail(reply)
            self._transport.close()
            return
        if self._step == _DOT:
            self._plan.accepted.append((reply.rpartition(b" ")[2].decode(), self._dot, now))
            self._mail = None
        self._speak()

    def _speak(self) -> None:
        """Say what follows the step that has just been answered well."""
        match self._step:
            case 0:
                self._say(_EHLO, self._plan.greeting)
            case 1:
                self._next_mail()
            case 2:
                self._say(_RCPT, self._plan.rcpt)
            case 3:
                self._say(_DATA, b"DATA\r\n")
            case 4:
                self._dot = time.monotonic_ns()
                self._say(_DOT, self._mail)
            case 5 if self._plan.fresh:
                self._say(_QUIT, b"QUIT\r\n")
            case 5:
                self._next_mail()
            case _:
                self._transport.close()

    def _next_mail(self) -> None:
        if self._plan.todo:
            self._mail = self._plan.todo.popleft()
            self._say(_MAIL, self._plan.sender)
        else:
            self._say(_QUIT, b"QUIT\r\n")

    def _say(self, step: int, line: bytes) -> None:
        self._step = step
        self._transport.write(line)

    def _fail(self, reply: bytes) -> None:
        """The server said something else, or went away. A 421 before the dot is its right: the mail goes again."""
        self._failed = True
        why = f"step {self._step}: {reply[:_BRIEF].decode('ascii', 'replace')}"
        if self._mail is None or (self._step < _DOT and reply[:3] in (b"421", b"con")):
            self._plan.give_back(self._mail, why)
        else:
            self._plan.refused[why] += 1
        self._mail = None


async def send(plan: Plan, *, port: int, senders: int, pace: float = 0) -> dict[str, object]:
    """Run *senders* at once until nothing is left; together they connect *pace* times a second, 0 for at once.

    Raises OSError when the server cannot be reached.
    """
    began = time.monotonic_ns()
    step = 1 / pace if pace else 0
    await asyncio.gather(*(_sender(plan, port, number, senders, step) for number in range(senders)))
    ended = max((done for _, _, done in plan.accepted), default=time.monotonic_ns())
    return {
        "began": began,
        "ended": ended,
        "mails": plan.accepted,
        "refused": plan.refused,
        "connections": plan.connections,
        "retries": plan.retries,
    }


async def _sender(plan: Plan, port: int, number: int, senders: int, step: float) -> None:
    """Connect again and again, the k-th connection of all not before k times *step* seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    turn = number
    while plan.todo:
        if (early := began + turn * step - loop.time()) > 0:
            await asyncio.sleep(early)
        ended: asyncio.Future[None] = loop.create_future()
        address = (f"127.1.0.{1 + turn % SOURCES}", 0)
        turn += senders
        await loop.create_connection(
            lambda ended=ended: Conversation(plan, ended), "127.0.0.1", port, local_addr=address
        )
        await ended


def main() -> None:
    """Read the arguments, send, print the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rcpt", required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--senders", type=int, default=20)
    parser.add_argument("--reuse", action="store_true", help="keep connections instead of one for each mail")
    parser.add_argument("--pace", type=float, default=0, help="connections a second of all senders (0: no pause)")
    options = parser.parse_args()
    plan = Plan(read_corpus(options.corpus), options.mails, rcpt=options.rcpt, fresh=not options.reuse)
    gc.freeze()
    gc.disable()
    print(json.dumps(uvloop.run(send(plan, port=options.port, senders=options.senders, pace=options.pace))))


if __name__ == "__main__":
    main()
