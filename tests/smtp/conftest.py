"""An SMTP server on a free port, and its clients."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from relay.smtp.limits import Limits
from relay.smtp.server import SmtpServer
from relay.smtp.tls import Certificates
from tests.smtp.collector import Client, MailCollector

Open = Callable[..., Awaitable[SmtpServer]]
Connect = Callable[[], Awaitable[Client]]


@pytest.fixture
def collector() -> MailCollector:
    return MailCollector()


@pytest.fixture
async def open_server(collector: MailCollector, tmp_path: Path) -> AsyncIterator[Open]:
    servers: list[SmtpServer] = []
    troubles: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))

    async def start(limits: Limits | None = None, **more: Any) -> SmtpServer:
        given = {"admit": collector.admit, "receive": collector.receive, "hostname": "mx.here.example"}
        server = SmtpServer(limits=limits or Limits(), spool_directory=tmp_path / "spool", **(given | more))
        await server.start([("127.0.0.1", 0)])
        servers.append(server)
        return server

    yield start
    collector.may_receive.set()
    collector.may_admit.set()
    for server in servers:
        await server.stop(0)
    assert [] == troubles


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[SmtpServer], Awaitable[Client]]]:
    clients: list[Client] = []

    async def to(server: SmtpServer) -> Client:
        clients.append(await Client.connect(server.addresses[0]))
        return clients[-1]

    yield to
    for client in clients:
        await client.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pem(authority: trustme.CA, tmp_path: Path) -> Path:
    file = tmp_path / "mx.pem"
    authority.issue_cert("mx.here.example").private_key_and_cert_chain_pem.write_to_path(str(file))
    return file


@pytest.fixture
def certificates(pem: Path) -> Certificates:
    return Certificates([pem], [pem])
