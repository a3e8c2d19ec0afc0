"""Agents that write: so many mails by POST /send over a few kept connections, in a process of their own.

``python -m tests.bench.posts PORT AGENT KEY MAILS`` prints one JSON object: when it began, when the last 202 came (CLOCK_MONOTONIC in nanoseconds), how many came, and what else was answered.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Final
from urllib.parse import quote

import uvloop

AGENT: Final = "writer@agents.example"
SUBJECT: Final = "Your order has left us"
TEXT: Final = "Dear reader,\n\n" + "what you have ordered is on its way, and will be with you soon.\n" * 50  # 3 kB
POSTERS: Final = 20
_READERS: Final = 500  # an agent writes to some again and again


def reader(number: int) -> str:
    """To whom a mail goes."""
    return f"reader-{number % _READERS}@customer.example"


def request(agent: str, key: str, number: int) -> bytes:
    """One POST."""
    body = json.dumps({"to": [reader(number)], "subject": SUBJECT, "text": TEXT}).encode()
    head = f"POST /v1/agents/{quote(agent, safe='')}/send HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def answer(stream: asyncio.StreamReader) -> str:
    """The status of one answer, whose body is read to its end."""
    head = (await stream.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    await stream.readexactly(int(head.partition("\r\ncontent-length:")[2].partition("\r\n")[0]))
    return head.split(" ", 2)[1]


async def write(port: int, agent: str, key: str, *, mails: int) -> dict[str, object]:
    """Post *mails*, POSTERS at once."""
    todo = iter([request(agent, key, number) for number in range(mails)])
    answers: Counter[str] = Counter()

    async def poster() -> None:
        stream, line = await asyncio.open_connection("127.0.0.1", port)
        for post in todo:
            line.write(post)
            answers[await answer(stream)] += 1
        line.close()

    began = time.monotonic_ns()
    await asyncio.gather(*[poster() for _ in range(POSTERS)])
    accepted = answers.pop("202", 0)
    return {"began": began, "ended": time.monotonic_ns(), "accepted": accepted, "refused": answers}


def main(port: str, agent: str, key: str, mails: str) -> None:
    """Post, and print the record."""
    print(json.dumps(uvloop.run(write(int(port), agent, key, mails=int(mails)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
