"""A line to a provider that can be cut at a chosen moment, and an HTTP server that says what it is told to."""

import asyncio
import contextlib
import json


async def ended(tasks):
    """Stop *tasks*, which close what they hold."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Listening:
    """A server on a free port, open as a context; what it has begun ends with it."""

    async def __aenter__(self):
        self.tasks = set()
        self.server = await asyncio.start_server(self.meet, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc):
        self.server.close()
        await ended(self.tasks)


def smarthost_settings(port):
    """How a relay sends through a smarthost of the test's own on *port*."""
    return {
        "MAILSEAL_OUTBOUND": "smtp",
        "MAILSEAL_SMTP_OUT_HOST": "127.0.0.1",
        "MAILSEAL_SMTP_OUT_PORT": str(port),
        "MAILSEAL_SMTP_OUT_TLS": "none",
        "MAILSEAL_OUTBOUND_FROM_DOMAIN": "relay.example",
    }


class Cut(Listening):
    """Passes bytes on to *port* until a mark has been seen, then ends both sides.

    What holds an ``up`` mark never reaches the provider, what holds a ``down`` mark never reaches us; at a ``hold``
    mark in the answer nothing is ended and nothing comes.
    """

    def __init__(self, port, *, up=b"", down=b"", up_after=b"", hold=b""):
        self.target, self.up, self.down, self.up_after, self.hold = port, up, down, up_after, hold

    async def meet(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        both = [
            asyncio.ensure_future(self._pass(reader, far_writer, self.up, self.up_after)),
            asyncio.ensure_future(self._pass(far_reader, writer, self.down, b"", self.hold)),
        ]
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for each in both:
            each.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        for each in (writer, far_writer):
            each.close()
            with contextlib.suppress(OSError):
                await each.wait_closed()

    @staticmethod
    async def _pass(reader, writer, stop, stop_after, hold=b""):
        seen = b""
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                seen += data
                if hold and hold in seen:
                    await asyncio.Event().wait()
                if stop and stop in seen:
                    return
                writer.write(data)
                await writer.drain()
                if stop_after and stop_after in seen:
                    await asyncio.sleep(0.1)  # the far side reads what it got
                    return


class SpokenSes(Listening):
    """Answers each SendEmail with the next of *answers* (status, body), and tells of the account and its identities.

    *identities* are names of proved ones, or what it tells of each by name; all are there already.
    """

    def __init__(self, answers=(), quota=None, *, account=None, identities=()):
        self.answers, self.quota, self.mails, self.asked = list(answers), quota, [], 0
        self.account, self.identities = account or {}, identities

    async def meet(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                status, answer = self._answer(head, body)
                if status is None:
                    break
                data = answer if isinstance(answer, bytes) else json.dumps(answer or {}).encode()
                kind = (
                    f"x-amzn-ErrorType: {answer['code']}\r\n" if isinstance(answer, dict) and "code" in answer else ""
                )
                writer.write(f"HTTP/1.1 {status} X\r\n{kind}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def _answer(self, head, body):
        if "/v2/email/account" in head:
            self.asked += 1
            known = self.account | ({"SendQuota": self.quota} if self.quota else {})
            return (200, known) if known else (403, {"code": "AccessDeniedException"})
        if head.startswith("POST /v2/email/identities "):
            return 400, {"code": "AlreadyExistsException"}
        if "/v2/email/identities/" in head:
            told = [self._told(name) for name in self.identities if f"/identities/{name} " in head]
            return (200, told[0]) if told else (404, {"code": "NotFoundException"})
        self.mails.append(json.loads(body))
        return self.answers.pop(0) if self.answers else (200, {"MessageId": f"0100-{len(self.mails)}"})

    def _told(self, name):
        return self.identities[name] if isinstance(self.identities, dict) else {"VerifiedForSendingStatus": True}
