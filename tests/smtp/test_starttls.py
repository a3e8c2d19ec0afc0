"""TLS over a connection: what is negotiated, what is forgotten, what is not let in."""

import asyncio
import smtplib
import ssl

import pytest

from relay.smtp.limits import Limits
from relay.smtp.tls import Certificates
from tests.smtp.test_server import MAIL, until
from tests.smtp.test_tls import another, replace


@pytest.fixture
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def secured(client, trusting, name="mx.here.example", before=b""):
    """Bring TLS up on *client*, with *before* sent in the same packet as STARTTLS."""
    client.send(b"STARTTLS\r\n" + before)
    assert "220 2.0.0 Ready to start TLS" == await client.reply()
    await client.writer.start_tls(trusting, server_hostname=name)


async def test_a_mail_over_tls_says_so(open_server, connect, certificates, trusting, collector):
    client = await connect(await open_server(certificates=certificates))
    await client.greet()
    await secured(client, trusting)
    assert "STARTTLS" not in await client.say("EHLO again.example")
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<a@here.example>\r\nDATA\r\n")
    assert ["250", "250", "354"] == [(await client.reply())[:3] for _ in range(3)]
    client.send(MAIL + b".\r\nQUIT\r\n")

    assert b"250 2.0.0 Accepted as msg_1a\r\n221 2.0.0 Bye\r\n" == await client.rest()
    peer = collector.mails[0][0].peer
    assert ("TLSv1.3", "ESMTPS", "again.example") == (peer.tls, peer.protocol, peer.helo)


async def test_smtplib_speaks_tls_with_the_door(open_server, certificates, trusting, collector):
    server = await open_server(certificates=certificates)

    def send():
        with smtplib.SMTP(*server.addresses[0]) as client:
            client._host = "mx.here.example"
            client.starttls(context=trusting)
            client.sendmail("a@there.example", ["bot@here.example"], b"x" * 998 + b"\r\n" + b"y\r\n" * 200_000)

    await asyncio.to_thread(send)

    assert 600_000 + 1000 == len(collector.mails[0][1])


async def test_tls_1_2_is_the_oldest(open_server, connect, certificates, trusting, collector):
    server = await open_server(certificates=certificates)
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    client = await connect(server)
    await client.greet()
    await secured(client, trusting)
    await client.say("EHLO x")
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<a@here.example>\r\nDATA\r\n")
    assert ["250", "250", "354"] == [(await client.reply())[:3] for _ in range(3)]
    client.send(b".\r\n")
    await until(lambda: collector.mails)

    assert "TLSv1.2" == collector.mails[0][0].peer.tls


async def test_commands_in_the_clear_behind_starttls_are_never_obeyed(
    open_server, connect, certificates, trusting, collector
):
    client = await connect(await open_server(certificates=certificates))
    await client.greet()
    await secured(client, trusting, before=b"RSET\r\nEHLO evil.example\r\nMAIL FROM:<evil@there.example>\r\n")

    assert (await client.say("MAIL FROM:<>")).startswith("503 5.5.1 ")
    assert (await client.say("NOOP")).startswith("250 ")


async def test_a_mail_begun_in_the_clear_is_forgotten(open_server, connect, certificates, trusting, collector):
    server = await open_server(certificates=certificates)
    client = await connect(server)
    await client.greet()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<a@here.example>\r\nBDAT 5\r\nabcde")
    assert ["250"] * 3 == [(await client.reply())[:3] for _ in range(3)]
    await secured(client, trusting)
    assert 0 == server.inflight_bytes
    assert (await client.say("EHLO x")).startswith("250-")

    assert (await client.say("DATA")).startswith("503 5.5.1 ")
    assert (await client.say("STARTTLS")).startswith("503 5.5.1 ")


async def test_starttls_with_an_argument_is_refused(open_server, connect, certificates):
    client = await connect(await open_server(certificates=certificates))
    await client.greet()

    assert (await client.say("STARTTLS now")).startswith("501 5.5.4 ")
    assert (await client.say("NOOP")).startswith("250 ")


@pytest.mark.parametrize("junk", [b"EHLO x\r\n" * 20, b"\x16\x03\x01\x00\x05junk!"])
async def test_a_handshake_that_is_none_ends_the_connection(open_server, connect, certificates, junk):
    server = await open_server(certificates=certificates)
    client = await connect(server)
    await client.greet()
    await client.say("STARTTLS")
    client.send(junk)
    await client.rest()
    await until(lambda: server.connections == 0)


async def test_a_handshake_that_never_comes_ends_in_time(open_server, connect, certificates):
    server = await open_server(Limits(handshake_seconds=1), certificates=certificates)
    client = await connect(server)
    await client.greet()
    await client.say("STARTTLS")

    assert b"" == await client.rest()
    await until(lambda: server.connections == 0)


async def test_who_leaves_in_the_handshake_is_forgotten(open_server, connect, certificates):
    server = await open_server(certificates=certificates)
    client = await connect(server)
    await client.greet()
    await client.say("STARTTLS")
    await client.close()
    await until(lambda: server.connections == 0)


async def test_stopping_does_not_wait_for_a_handshake(open_server, connect, certificates):
    server = await open_server(certificates=certificates)
    client = await connect(server)
    await client.greet()
    await client.say("STARTTLS")
    async with asyncio.timeout(5):
        await server.stop(0.05)

    assert 0 == server.connections


async def test_stopping_tells_a_client_over_tls(open_server, connect, certificates, trusting):
    server = await open_server(certificates=certificates)
    client = await connect(server)
    await client.greet()
    await secured(client, trusting)
    await client.say("EHLO x")
    stopping = asyncio.create_task(server.stop(5))

    assert (await client.reply()).startswith("421 4.3.2 ")
    await client.close()
    await stopping


async def test_who_leaves_over_tls_behind_the_final_dot_has_sent_a_mail(
    open_server, connect, certificates, trusting, collector
):
    server = await open_server(certificates=certificates)
    client = await connect(server)
    await client.greet()
    await secured(client, trusting)
    await client.say("EHLO x")
    collector.may_receive.clear()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<a@here.example>\r\nDATA\r\n")
    assert ["250", "250", "354"] == [(await client.reply())[:3] for _ in range(3)]
    client.send(MAIL + b".\r\n")
    await collector.receiving.wait()
    await client.close()
    collector.may_receive.set()
    await until(lambda: server.connections == 0)

    assert [MAIL] == [mail for _, mail in collector.mails]


async def test_a_new_certificate_serves_new_connections_and_a_broken_one_changes_nothing(
    open_server, connect, pem, authority, trusting
):
    server = await open_server(certificates=Certificates([pem], [pem]))

    async def name():
        client = await connect(server)
        await client.greet()
        trusting.check_hostname = False
        await secured(client, trusting)
        certificate = client.writer.get_extra_info("peercert")
        return certificate["subjectAltName"][0][1]

    assert "mx.here.example" == await name()
    replace(pem, another(authority))
    assert "mx2.here.example" == await name()
    replace(pem, b"junk")
    assert "mx2.here.example" == await name()
