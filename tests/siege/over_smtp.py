"""Attacks on the SMTP server: its connections, commands, sizes and times."""

import asyncio
import ssl
from itertools import count

from tests.siege.aim import Aim, Smtp, held, swarm

_LINE = b"x" * 998 + b"\r\n"


async def one_address(aim: Aim) -> None:
    """Open connections from one address as fast as they are refused."""
    await swarm(aim, lambda _: held(aim, aim.smtp_connection, 0), 200)


async def all_places(aim: Aim) -> None:
    """Hold all connections from 30 addresses, and send nothing."""
    await swarm(aim, lambda number: held(aim, aim.smtp_connection, number // 50), 1500)


async def silence_in_data(aim: Aim) -> None:
    """Declare mails of 35 MB, begin them, and send nothing."""

    async def one(number: int) -> None:
        session = await Smtp.begun(aim, number // 45)
        await session.say(b"MAIL FROM:<> SIZE=36700160\r\n")
        await session.say(f"RCPT TO:<{aim.agent}>\r\n".encode())
        await session.say(b"DATA\r\n")
        await session.reader.read()

    await swarm(aim, one, 180)


async def unfinished(aim: Aim) -> None:
    """Send mails of 30 MB without their end, at 60 MB a second."""

    async def one(_: int) -> None:
        session = await Smtp.begun(aim)
        try:
            if (await session.envelope()).startswith(b"354"):
                for _ in range(500):
                    session.writer.write(_LINE * 60)
                    await session.writer.drain()
                    await asyncio.sleep(0.04)
                await session.reader.read()
        finally:
            session.close()

    await swarm(aim, one, 40)


async def one_octet(aim: Aim) -> None:
    """Send one octet of a mail each second."""

    async def one(number: int) -> None:
        session = await Smtp.begun(aim, number // 45)
        try:
            await session.envelope()
            while not session.reader.at_eof():
                session.writer.write(b"x")
                await session.writer.drain()
                await asyncio.sleep(1)
        finally:
            session.close()

    await swarm(aim, one, 180)


async def unknown_commands(aim: Aim) -> None:
    """Pipeline 500 unknown commands in each session."""
    await swarm(aim, lambda number: held(aim, aim.smtp_connection, number, b"XYZZY 1 2 3\r\n" * 500), 40)


async def noops(aim: Aim) -> None:
    """Pipeline 5000 commands that change no mail in each session."""
    await swarm(aim, lambda number: held(aim, aim.smtp_connection, number, b"NOOP\r\nRSET\r\nVRFY a\r\n" * 1700), 40)


async def endless_line(aim: Aim) -> None:
    """Send a command without an end."""
    await swarm(aim, lambda number: held(aim, aim.smtp_connection, number, b"EHLO " + b"x" * 10_000_000), 40)


async def recipients(aim: Aim) -> None:
    """Name 990 recipients of 120 octets in each mail, ten times what one mail may have."""
    numbers = count()

    async def one(number: int) -> None:
        session = await Smtp.begun(aim, number)
        try:
            local, _, domain = aim.agent.partition("@")
            names = "".join(f"RCPT TO:<{local}+{'t' * 50}{next(numbers)}@{domain}>\r\n" for _ in range(990))
            session.writer.write(b"MAIL FROM:<x@attacker.test>\r\n" + names.encode())
            while not (await session.reply()).startswith(b"421"):
                pass
        finally:
            session.close()

    await swarm(aim, one, 20)


async def unknown_recipients(aim: Aim) -> None:
    """Try names of agents, session after session, from 40 addresses."""
    numbers = count()

    async def one(number: int) -> None:
        session = await Smtp.begun(aim, number)
        try:
            names = "".join(f"RCPT TO:<guess{next(numbers)}@{aim.domain}>\r\n" for _ in range(100))
            session.writer.write(b"MAIL FROM:<x@attacker.test>\r\n" + names.encode())
            while not (await session.reply()).startswith(b"421"):
                pass
        finally:
            session.close()

    await swarm(aim, one, 40)


async def large_chunks(aim: Aim) -> None:
    """Announce chunks beyond all bounds with BDAT, and send them."""

    async def one(number: int) -> None:
        session = await Smtp.begun(aim, number)
        try:
            await session.say(b"MAIL FROM:<>\r\n")
            await session.say(f"RCPT TO:<{aim.agent}>\r\n".encode())
            session.writer.write(b"BDAT 99999999999999999999 LAST\r\n" + _LINE * 3000)
            await session.reader.read()
        finally:
            session.close()

    await swarm(aim, one, 20)


async def handshakes(aim: Aim) -> None:
    """Negotiate TLS again and again, half of the time with octets that are no TLS, from 60 addresses."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    async def one(number: int) -> None:
        session = await Smtp.begun(aim, number)
        try:
            await session.say(b"STARTTLS\r\n")
            if number % 2:
                session.writer.write(b"\x16\x03\x01\x02\x00" + b"\xff" * 600)
                await session.reader.read()
            else:
                await session.writer.start_tls(context)
                session.writer.write(b"QUIT\r\n")
                await session.reader.read()
            aim.done["handshakes"] += 1
        except ssl.SSLError:
            aim.done["handshakes"] += 1
        finally:
            session.close()

    await swarm(aim, one, 60)


async def many_mails(aim: Aim) -> None:
    """Send mail of 1 kB as fast as it is taken, on 40 connections of one address."""
    numbers = count()

    async def one(_: int) -> None:
        session = await Smtp.begun(aim)
        try:
            for _ in range(200):
                head = f"From: <x@attacker.test>\r\nSubject: {next(numbers)}\r\n\r\n".encode()
                if (await session.send(head + _LINE)).startswith(b"421"):
                    return
                aim.done["mails"] += 1
        finally:
            session.close()

    await swarm(aim, one, 40)
