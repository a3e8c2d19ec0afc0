"""The clients of the demonstration: an SMTP sender, a webhook endpoint and a polling agent."""

import asyncio
import json
import smtplib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

from fastapi import FastAPI, Request, Response

from relay.demo.world import DemoMail


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One webhook request."""

    headers: Mapping[str, str]
    body: str


@dataclass(slots=True)
class Hook:
    """A webhook endpoint that stores its requests."""

    posted: dict[str, WebhookRequest] = field(default_factory=dict)  # by message id
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> FastAPI:
        """The endpoint, as ``POST /hook``."""
        app = FastAPI()
        app.add_api_route("/hook", self._take, methods=["POST"], status_code=204)
        return app

    async def wait_for(self, message_id: str) -> WebhookRequest:
        """Wait for the request about *message_id* and return it."""
        while message_id not in self.posted:
            self.changed.clear()
            await self.changed.wait()
        return self.posted[message_id]

    async def _take(self, request: Request) -> Response:
        body = (await request.body()).decode()
        self.posted[request.headers["mailseal-message-id"]] = WebhookRequest(dict(request.headers), body)
        self.changed.set()
        return Response(status_code=204)


def send(mail: DemoMail, recipients: list[str], smtp: tuple[str, int]) -> list[str]:
    """Send by SMTP; returns the message ids of the replies. Raises SMTPResponseException.

    A bounce has one recipient, so it is sent once for each.
    """
    groups = [recipients] if mail.mail_from else [[each] for each in recipients]
    with smtplib.SMTP(*smtp, local_hostname="sender.customer.example") as client:
        client.ehlo_or_helo_if_needed()
        return [message_id for group in groups for message_id in _transaction(client, mail, group)]


def _transaction(client: smtplib.SMTP, mail: DemoMail, recipients: list[str]) -> list[str]:
    _require(client.mail(mail.mail_from))
    for recipient in recipients:
        _require(client.rcpt(recipient))
    _, reply = _require(client.data(mail.content))
    return [word for word in reply.decode().split() if word.startswith("msg_")]


@dataclass(frozen=True, slots=True)
class Api:
    """A client of the HTTP API with one key."""

    base_url: str
    key: str

    def post(self, agent: str, call: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Call ``POST /v1/agents/{agent}/{call}``."""
        request = HttpRequest(  # noqa: S310 (the demonstration's own address, always http)
            f"{self.base_url}/v1/agents/{quote(agent, safe='')}/{call}",
            data=json.dumps(document).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=30) as response:  # noqa: S310 (the demonstration's own address, always http)
            answer: dict[str, Any] = json.load(response)
        return answer


def _require(answer: tuple[int, bytes]) -> tuple[int, bytes]:
    if answer[0] >= 400:
        raise smtplib.SMTPResponseException(*answer)
    return answer
