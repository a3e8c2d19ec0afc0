"""Attacks by the webhooks of a tenant: what they answer, and where their names lead."""

import json
from itertools import count

from tests.siege.aim import Aim, ask, mails, new_agent, request, swarm
from tests.siege.endpoints import Talk, body, head, interim, listening, slow

_AGENTS = 8
_numbers = count()


async def endless_interim_answers(aim: Aim) -> None:
    """Answer each event with 100 Continue without end, at eight agents."""
    await _answering(aim, interim)


async def endless_heads(aim: Aim) -> None:
    """Answer each event with header fields without end, at eight agents."""
    await _answering(aim, head)


async def endless_bodies(aim: Aim) -> None:
    """Answer each event with a body without end, in chunks of one octet, at eight agents."""
    await _answering(aim, body)


async def slow_answers(aim: Aim) -> None:
    """Answer each event with an octet a second, at eight agents."""
    await _answering(aim, slow)


async def silent_names(aim: Aim) -> None:
    """Have webhooks of 60 names below domains that do not answer, and one mail after the other for them."""
    agents = [await new_agent(aim, f"n{at}", f"https://hooks.n{at}.mute/") for at in range(60)]

    async def one(number: int) -> None:
        await mails(aim, [_mail()], number, recipient=agents[next(_numbers) % len(agents)])

    await swarm(aim, one, 6)


async def tried_webhooks(aim: Aim) -> None:
    """Have the relay try webhooks that do not answer, as many at once as it takes."""
    async with listening(slow) as url:
        agent = await new_agent(aim, "tried", url)

        async def one(number: int) -> None:
            await ask(aim, request("POST", f"/v1/agents/{agent}/webhook/test", key=aim.key, length=0), number)

        await swarm(aim, one, 90)


async def _answering(aim: Aim, talk: Talk) -> None:
    async with listening(talk) as url:
        agents = [await new_agent(aim, f"hook{at}", url) for at in range(_AGENTS)]

        async def one(number: int) -> None:
            await mails(aim, [_mail() for _ in range(20)], number, recipient=agents[number])

        await swarm(aim, one, _AGENTS)


def _mail() -> bytes:
    return b"From: x@attacker.test\r\nSubject: " + json.dumps(next(_numbers)).encode() + b"\r\n\r\nHi."
