"""An agent that polls, as a client writes it."""

from collections.abc import Sequence
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from yarl import URL


class Poller:
    """One worker at an agent's queue, with an API key."""

    def __init__(self, base_url: str, key: str, agent: str) -> None:
        self._base_url = base_url
        self._key = key
        self._agent = f"/v1/agents/{quote(agent, safe='')}"
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._key}"})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def lease(self, *, most: int = 1, seconds: int = 60, wait: float = 0) -> list[dict[str, Any]]:
        status, answer = await self._post("queue/lease", {"max": most, "lease_seconds": seconds, "wait": wait})
        assert status == 200, answer
        return answer["items"]

    async def ack(self, items: Sequence[dict[str, Any]]) -> int:
        """The status of the whole: 409 if the lease of any was over."""
        return (await self._post("queue/ack", {"receipts": [item["receipt"] for item in items]}))[0]

    async def get(self, path: str) -> tuple[int, bytes]:
        """Any path of the API."""
        url = URL(self._base_url + path, encoded=True)
        async with self._session.get(url) as response:
            return response.status, await response.read()

    async def send(self, mail: dict[str, Any]) -> str:
        """The id of a mail that the agent writes."""
        status, answer = await self._post("send", mail)
        assert status == 202, answer
        return answer["message_id"]

    async def _post(self, call: str, document: dict[str, Any]) -> tuple[int, Any]:
        url = URL(f"{self._base_url}{self._agent}/{call}", encoded=True)
        async with self._session.post(url, json=document) as response:
            return response.status, await response.json()
