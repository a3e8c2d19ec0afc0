"""Attacks on the HTTP server and the API: connections, requests, bodies, waits and answers."""

import asyncio
import json
from itertools import count
from urllib.parse import urlencode

from tests.siege.aim import Aim, answer_of, ask, held, in_base64, mails, request, status_of, swarm

_HALF = b"GET / HTTP/1.1\r\nX-Half: "
_FORM = "application/x-www-form-urlencoded"


async def half_heads(aim: Aim) -> None:
    """Hold 2100 half heads from one address, and open more."""
    await swarm(aim, lambda _: held(aim, aim.http_connection, 0, _HALF), 2100)


async def half_heads_of_many(aim: Aim) -> None:
    """Hold 2400 half heads from 30 addresses, and open more."""
    await swarm(aim, lambda number: held(aim, aim.http_connection, number // 80, _HALF), 2400)


async def large_heads(aim: Aim) -> None:
    """Send heads of 1 MB."""
    octets = b"GET / HTTP/1.1\r\n" + b"X-Field: value\r\n" * 65_000
    await swarm(aim, lambda number: held(aim, aim.http_connection, number, octets), 30)


async def pipelined(aim: Aim) -> None:
    """Send 1000 requests at once on each connection, and read no answer for a second."""

    async def one(number: int) -> None:
        reader, writer = await aim.http_connection(number)
        try:
            writer.write(request("GET", "/healthz") * 1000)
            await asyncio.sleep(1)
            while await reader.read(65_536):
                pass
        finally:
            writer.transport.abort()

    await swarm(aim, one, 20)


async def slow_bodies(aim: Aim) -> None:
    """Declare bodies of 14 MB with a key, and send an octet a second."""
    path = f"/v1/agents/{aim.agent}/send"

    async def one(number: int) -> None:
        reader, writer = await aim.http_connection(number % 4)
        try:
            writer.write(request("POST", path, key=aim.key, length=14_000_000))
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(1)
        finally:
            writer.transport.abort()

    await swarm(aim, one, 200)


async def streams_of_one_key(aim: Aim) -> None:
    """Open event streams with one key as fast as possible, and hold them."""
    octets = request("GET", f"/v1/agents/{aim.agent}/events", key=aim.keys[0])
    await swarm(aim, lambda number: held(aim, aim.http_connection, number // 50, octets), 600)


async def streams_of_many_keys(aim: Aim) -> None:
    """Open event streams and long polls with eight read keys from 24 addresses, and hold them."""

    async def one(number: int) -> None:
        path = f"/v1/agents/{aim.agent}/" + ("events", "messages?wait=60")[number % 2]
        await held(aim, aim.http_connection, number // 80, request("GET", path, key=aim.keys[number % 8]))

    await swarm(aim, one, 1900)


async def many_fields_of_json(aim: Aim) -> None:
    """Post JSON of 10 MB with 900 000 fields, with a key that may send and with one that may not."""
    fields = b"{" + b",".join(b'"k%d":1' % at for at in range(900_000)) + b"}"
    listed = b'{"to":[' + b",".join([b'"a@b.c"'] * 900_000) + b'],"subject":"x","text":"x"}'
    quoted = b'{"text":"' + b'\\",\\\\' * 2_000_000 + b'"}'
    pairs = b'{"headers":[' + b",".join([b'["X-A","b"]'] * 800_000) + b"]}"
    await _posting(aim, (fields, listed, quoted, pairs))


async def hostile_json(aim: Aim) -> None:
    """Post JSON of 10 MB that is deep, of large numbers, of escapes, of broken text, or not JSON at all."""
    bodies = (
        b"[" * 10_000_000,
        b'{"a":' * 2_000_000,
        b"1" * 10_000_000,
        b'{"subject":"x","text":"' + b"\\ud800" * 1_600_000 + b'"}',
        b" " * 10_000_000,
        b'{"to":["a@b.c"],"subject":"x","text":"' + b"=\\n\\u00e9 " * 1_000_000 + b'"}',
        b'{"to":["a@b.c"],"subject":"x","text":"x","html":"' + b"<a></body" * 1_000_000 + b'"}',
        b"\xff" * 10_000_000,
    )
    await _posting(aim, bodies)


async def _posting(aim: Aim, bodies: tuple[bytes, ...]) -> None:
    path, numbers = f"/v1/agents/{aim.agent}/send", count()

    async def one(number: int) -> None:
        body, key = bodies[next(numbers) % len(bodies)], aim.key if number % 4 else aim.keys[0]
        await ask(aim, request("POST", path, key=key, body=body), number)

    await swarm(aim, one, 8)


async def one_key_without_pause(aim: Aim) -> None:
    """Ask with one key as fast as answers come, on 40 connections."""
    octets = request("GET", f"/v1/agents/{aim.agent}/messages", key=aim.keys[0])
    await swarm(aim, lambda number: _kept_asking(aim, octets, number % 4), 40)


async def without_key(aim: Aim) -> None:
    """Ask for pages that need no key as fast as answers come, on 40 connections of one address."""
    paths = ("/readyz", "/login", "/openapi.json", "/help/operations", "/metrics", "/no-such-path")
    await swarm(aim, lambda number: _kept_asking(aim, request("GET", paths[number % len(paths)]), 0), 40)


async def wrong_keys(aim: Aim) -> None:
    """Guess keys as fast as answers come, on 40 connections of four addresses."""
    octets = request("GET", "/v1/me", key="mk_" + "A" * 43)
    await swarm(aim, lambda number: _kept_asking(aim, octets, number % 4), 40)


async def _kept_asking(aim: Aim, octets: bytes, number: int) -> None:
    """Ask on one connection until it is closed."""
    reader, writer = await aim.http_connection(number)
    try:
        while True:
            writer.write(octets)
            head, _ = await answer_of(reader)
            aim.done[str(status_of(head))] += 1
    finally:
        writer.transport.abort()


async def sign_ins(aim: Aim) -> None:
    """Ask for sign-in letters of another user, and try tokens, from 40 addresses."""
    _, page = await ask(aim, request("GET", "/login"))
    form = page.partition(b'name="form" value="')[2].partition(b'"')[0].decode()
    body = urlencode({"form": form, "email": aim.victim, "next": ""}).encode()
    wanted = request("POST", "/login", body=body, kind=_FORM)
    guessed = request("POST", "/login/" + "A" * 60 + "." + "A" * 43, body=body, kind=_FORM)

    async def one(number: int) -> None:
        await ask(aim, wanted if number % 2 else guessed, number)

    await swarm(aim, one, 40)


async def leases_of_large_mails(aim: Aim) -> None:
    """Lease 40 mails of 12 MB with 60 requests at once, and read the answers slowly."""
    noise = in_base64(bytes(range(256)) * 35_000)
    head = b"From: x@attacker.test\r\nX: %d\r\nContent-Transfer-Encoding: base64\r\n"
    head += b"Content-Type: application/pdf\r\n\r\n"
    await asyncio.gather(*(mails(aim, [head % at + noise], at) for at in range(12)))
    body = json.dumps({"max": 100, "lease_seconds": 1}).encode()
    octets = request("POST", f"/v1/agents/{aim.agent}/queue/lease", key=aim.key, body=body)

    async def one(number: int) -> None:
        reader, writer = await aim.http_connection(number)
        try:
            writer.write(octets)
            while piece := await reader.read(262_144):
                aim.done["octets"] += len(piece)
                await asyncio.sleep(0.05)
        finally:
            writer.transport.abort()

    await swarm(aim, one, 60)
