"""The same SMTP server on the event loop of the daemon."""

import asyncio
import smtplib
import ssl

import uvloop

from relay.smtp.server import SmtpServer
from tests.smtp.collector import Client, MailCollector
from tests.smtp.dialogue import play, read
from tests.smtp.test_dialogues import FILES, LIMITS


def test_every_dialogue_goes_as_written_on_uvloop_too():
    async def all_of_them():
        for file in FILES:
            collector = MailCollector()
            server = SmtpServer(
                admit=collector.admit, receive=collector.receive, hostname="mx.here.example", limits=LIMITS
            )
            await server.start([("127.0.0.1", 0)])
            client = await Client.connect(server.addresses[0])
            await play(read(file), client, collector)
            await client.close()
            await server.stop(1)

    uvloop.run(all_of_them())


def test_tls_comes_up_and_the_server_stops_in_the_middle_of_a_handshake_on_uvloop_too(certificates, authority):
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def serve():
        collector, troubles = MailCollector(), []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
        server = SmtpServer(admit=collector.admit, receive=collector.receive, hostname="mx", certificates=certificates)
        await server.start([("127.0.0.1", 0)])

        def send():
            with smtplib.SMTP(*server.addresses[0]) as client:
                client._host = "mx.here.example"
                client.starttls(context=trusting)
                client.sendmail("a@there.example", ["bot@here.example"], b"x\r\n" * 200_000)

        await asyncio.to_thread(send)
        waiting = await Client.connect(server.addresses[0])
        await waiting.greet()
        await waiting.say("STARTTLS")
        async with asyncio.timeout(5):
            await server.stop(0.05)
        await waiting.close()
        return collector.mails, troubles

    mails, troubles = uvloop.run(serve())

    assert "TLSv1.3" == mails[0][0].peer.tls
    assert 600_000 == len(mails[0][1])
    assert [] == troubles


def test_a_handshake_that_fails_sends_its_alert_on_uvloop_too(certificates):
    asking = ssl.create_default_context()
    asking.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    asking.maximum_version = ssl.TLSVersion.TLSv1_2

    async def serve():
        collector = MailCollector()
        server = SmtpServer(admit=collector.admit, receive=collector.receive, hostname="mx", certificates=certificates)
        await server.start([("127.0.0.1", 0)])

        def shake_hands():
            with smtplib.SMTP(*server.addresses[0], timeout=20) as client:
                client._host = "mx.here.example"
                client.starttls(context=asking)

        try:
            await asyncio.to_thread(shake_hands)
        except ssl.SSLError as error:
            return error.reason
        finally:
            await server.stop(1)

    assert "HANDSHAKE_FAILURE" in str(uvloop.run(serve()))
