"""Attacks by what mails consist of: header fields, parts, signatures, and the domains that they name."""

import json
from collections.abc import Iterator
from functools import cache
from itertools import count

from tests.siege.aim import Aim, ask, in_base64, mails, new_agent, request, swarm
from tests.siege.endpoints import listening, quick

_HASH = b"A" * 43 + b"="
_numbers = count()


async def many_fields(aim: Aim) -> None:
    """Send mails of 200 000 header fields."""
    mail = b"a:\r\n" * 200_000 + b"\r\nHi."
    await swarm(aim, lambda number: mails(aim, [mail] * 5, number), 20)


async def large_header(aim: Aim) -> None:
    """Send mails whose header section has 5 MB."""
    mail = b"Subject: x\r\n" + (b" " + b"y" * 900 + b"\r\n") * 5500 + b"\r\nHi."
    await swarm(aim, lambda number: mails(aim, [mail] * 5, number), 20)


@cache
def _costly_headers() -> tuple[bytes, ...]:
    """Header sections just within the bounds, each of fields that cost the most to read."""
    sections = (
        b"Authentication-Results: mx.siege.test; dkim=pass (%s) header.d=x\r\n" % (b"(" * 60),
        b"DKIM-Signature: v=1; a=rsa-sha256; d=x.silent.test; s=s; h=%s; bh=%s; b=AAAA\r\n" % (b"a:" * 400, _HASH),
        b"Received: from %s (((((((((( by mx.siege.test; Mon, 1 Jan 2029 00:00:00 +0000\r\n" % (b"x" * 50),
        b"References: " + b"<a@b> " * 150 + b"\r\n",
        b"Subject: " + b"=?utf-8?q?=41=C3?= =?x-unknown?b?////?= " * 20 + b"\r\n",
        b"Content-Type: multipart/mixed; " + b"; ".join(b"boundary*%d*=%%41" % at for at in range(60)) + b"\r\n",
        b"X-" + b"a" * 100 + b": " + b"=?=?=?" * 20 + b"\r\n",
    )
    return tuple(section * min(1990, 260_000 // len(section)) for section in sections)


_FROMS = (
    b"From: " + b"(" * 30_000 + b" x@attacker.test\r\n",
    b"From: " + b'"\\' * 20_000 + b'" <x@attacker.test>\r\n',
    b"From: " + b"a@b," * 20_000 + b" x@attacker.test\r\n",
    b"From: " + b"=?utf-8?b?QUFB?= " * 4000 + b"<x@attacker.test>\r\n",
    b"From: " + b"<" * 50_000 + b"x@attacker.test>\r\n",
    b"From: x@attacker.test\r\nFrom\r\n : admin@bank.test\r\n",
)


async def costly_headers(aim: Aim) -> None:
    """Send mails whose header section is just within the bounds and costly to read."""

    def made() -> Iterator[bytes]:
        for section in _costly_headers():
            yield b"From: x@attacker.test\r\nX: %d\r\n" % next(_numbers) + section + b"\r\nHi."
        for author in _FROMS:
            yield author + b"X: %d\r\n\r\nHi." % next(_numbers)

    await swarm(aim, lambda number: mails(aim, made(), number), 10)


@cache
def _hostile_bodies() -> tuple[bytes, ...]:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at) for at in range(5000))
    parts = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000
    near = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--bb\r\n" * 300_000
    typed = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + (
            b"--b\r\nContent-Type: text/html; charset=x\r\nContent-Disposition: attachment; "
            + b"filename*0*=%41; " * 40
        )
        + b"\r\n\r\n<b\r\n" * 5000
    )
    return (
        deep,
        parts,
        near,
        typed,
        b"Content-Type: text/html\r\n\r\n" + b"<" * 3_000_000,
        b"Content-Type: text/html\r\n\r\n" + b"<div><table><!--&amp;&#x41;" * 150_000,
        b"Content-Type: text/html\r\n\r\n" + b"<a href='http://x'><style>" * 100_000,
        b"\r\n" + b"On Monday, Ana wrote:\r\n> > > x\r\n" * 100_000,
        b"\r\n" + b">" * 3_000_000,
        b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=A=!" * 1_000_000,
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=\r\n" * 1_000_000,
        b"Content-Type: text/plain; charset=utf-7\r\n\r\n" + b"+AGEA-" * 500_000,
        b"Content-Type: message/rfc822\r\n\r\n" * 20_000,
        b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + in_base64(bytes(6_000_000)),
    )


async def hostile_parts(aim: Aim) -> None:
    """Send mails of hostile MIME structure and texts, have a webhook post each, and read each by the API."""
    async with listening(quick) as url:
        hooked = await new_agent(aim, "hooked", url)

        def made() -> Iterator[bytes]:
            for body in _hostile_bodies():
                yield b"From: x@attacker.test\r\nX: %d\r\n" % next(_numbers) + body

        async def read(number: int) -> None:
            path = f"/v1/agents/{aim.agent}/messages"
            _, page = await ask(aim, request("GET", f"{path}?limit=20", key=aim.keys[number % 4]), number)
            for item in json.loads(page)["items"]:
                await ask(
                    aim, request("GET", f"{path}/{item['message_id']}?peek=true", key=aim.keys[number % 4]), number
                )

        async def one(number: int) -> None:
            if number < 4:
                await mails(aim, made(), number, recipient=(aim.agent, hooked)[number % 2])
            else:
                await read(number)

        await swarm(aim, one, 8)


def _signatures(zone: bytes, sets: int) -> bytes:
    """Five signatures and *sets* ARC sets, by keys that no mail named before, and a sender of the zone."""
    number = next(_numbers)
    head = b"".join(
        b"DKIM-Signature: v=1; a=rsa-sha256; d=d%d-%d.%s; s=s; h=from; bh=%s; b=AAAA\r\n" % (number, at, zone, _HASH)
        for at in range(5)
    )
    for at in range(1, sets + 1):
        verdict = b"pass" if at > 1 else b"none"
        head += (
            b"ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=a%d-%d.%s; s=s; b=AAAA\r\n"
            b"ARC-Message-Signature: i=%d; a=rsa-sha256; d=m%d-%d.%s; s=s; h=from; bh=%s; b=AAAA\r\n"
            b"ARC-Authentication-Results: i=%d; x\r\n"
        ) % (*(at, verdict, number, at, zone), *(at, number, at, zone, _HASH), at)
    return head + b"From: x@f%d.%s\r\n\r\nHi." % (number, zone)


async def silent_signatures(aim: Aim) -> None:
    """Send mails of five signatures and 50 ARC sets, all below one zone that does not answer."""

    async def one(_: int) -> None:
        made = (_signatures(b"silent.test", 50) for _ in range(5))
        await mails(aim, made, 0, sender=f"x@s{next(_numbers)}.silent.test")

    await swarm(aim, one, 45)


async def silent_nameservers(aim: Aim) -> None:
    """Send mails of five signatures and ten ARC sets from 40 addresses, each of a domain that does not answer."""

    async def one(number: int) -> None:
        zone = b"z%d.mute" % next(_numbers)
        await mails(aim, [_signatures(zone, 10)], number % 40, sender=f"x@{zone.decode()}")

    await swarm(aim, one, 200)


async def large_answers(aim: Aim) -> None:
    """Send mails that name keys of 7 and of 31 KiB, none twice."""

    async def one(number: int) -> None:
        zone = (b"big.test", b"huge.test")[number % 4 == 3]
        await mails(aim, (_signatures(zone, 9) for _ in range(20)), number % 40, sender=f"x@s{next(_numbers)}.big.test")

    await swarm(aim, one, 60)
