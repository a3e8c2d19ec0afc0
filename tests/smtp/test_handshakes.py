"""TLS handshakes with old, new and odd senders: what is negotiated, and what one that fails is told."""

import asyncio
import smtplib
import ssl
import subprocess
from shutil import which

import pytest
import trustme
from structlog.testing import capture_logs

from relay.metrics import Metrics
from relay.smtp.limits import Limits
from relay.smtp.tls import Certificates
from tests.smtp.test_server import until

NAME = "mx.here.example"


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def both_kinds(authority, tmp_path):
    """A certificate with an ECDSA key and one with an RSA key, for the same name."""
    files = []
    for kind in (trustme.KeyType.ECDSA, trustme.KeyType.RSA):
        files.append(tmp_path / f"{kind.name}.pem")
        issued = authority.issue_cert(NAME, key_type=kind)
        issued.private_key_and_cert_chain_pem.write_to_path(str(files[-1]))
    return Certificates(files, files)


def client_context(authority, *, ciphers="DEFAULT:@SECLEVEL=0", newest=ssl.TLSVersion.TLSv1_2):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = newest
    context.set_ciphers(ciphers)
    return context


def shake_hands(address, context):
    """The cipher that a blocking client negotiates, as smtplib does it. Raises what smtplib raises."""
    with smtplib.SMTP(*address, timeout=20) as client:
        client._host = NAME
        client.starttls(context=context)
        return client.sock.cipher()


@pytest.mark.parametrize(
    "ciphers",
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-SHA",
        "AES256-GCM-SHA384",
        "AES256-SHA256",
        "AES128-SHA",
        "DHE-RSA-AES256-GCM-SHA384",
        "DHE-RSA-AES128-SHA",
    ],
)
async def test_a_sender_of_one_cipher_is_served_whichever_key_it_needs(open_server, authority, both_kinds, ciphers):
    server = await open_server(certificates=both_kinds)
    context = client_context(authority, ciphers=f"{ciphers}:@SECLEVEL=0")

    assert ciphers == (await asyncio.to_thread(shake_hands, server.addresses[0], context))[0]


async def test_a_sender_of_today_gets_tls_1_3(open_server, authority, both_kinds, metrics):
    server = await open_server(certificates=both_kinds, metrics=metrics)
    context = client_context(authority, newest=ssl.TLSVersion.TLSv1_3)

    assert "TLSv1.3" == (await asyncio.to_thread(shake_hands, server.addresses[0], context))[1]
    assert b'mailseal_smtp_tls_total{result="ok",version="TLSv1.3"} 1.0' in metrics.render()


async def test_a_sender_of_all_ciphers_gets_one_with_forward_secrecy(open_server, authority, both_kinds):
    server = await open_server(certificates=both_kinds)
    context = client_context(authority, ciphers="AES128-SHA:ECDHE+AESGCM:@SECLEVEL=0")
    cipher, _, _ = await asyncio.to_thread(shake_hands, server.addresses[0], context)

    assert cipher.startswith("ECDHE-")


@pytest.mark.parametrize("ciphers", ["aNULL", "eNULL", "PSK"])
async def test_no_cipher_is_offered_that_hides_or_proves_nothing(certificates, ciphers):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    weak = {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"}

    assert weak
    assert not weak & {cipher["name"] for cipher in certificates.current().get_ciphers()}


OLD = {"newest": ssl.TLSVersion.TLSv1_1}
RSA_ONLY = {"ciphers": "ECDHE-RSA-AES128-GCM-SHA256"}


@pytest.mark.parametrize(
    ("chosen", "alert", "reason"),
    [
        (OLD, "PROTOCOL_VERSION", "unsupported protocol"),
        (RSA_ONLY, "HANDSHAKE_FAILURE", "no shared cipher"),  # against an ECDSA certificate alone
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_a_handshake_that_fails_sends_its_alert_and_is_logged_and_counted(  # noqa: PLR0917
    open_server, authority, certificates, metrics, chosen, alert, reason
):
    with capture_logs() as lines:
        server = await open_server(certificates=certificates, metrics=metrics)
        with pytest.raises(ssl.SSLError) as failure:
            await asyncio.to_thread(shake_hands, server.addresses[0], client_context(authority, **chosen))
        await until(lambda: server.connections == 0)

    assert alert in failure.value.reason
    failed = [line for line in lines if line["event"] == "tls_failed"]
    assert [("127.0.0.1", reason)] == [(line["peer"], line["reason"]) for line in failed]
    assert b'mailseal_smtp_tls_total{result="failed",version=""} 1.0' in metrics.render()


async def test_a_sender_that_distrusts_the_certificate_is_logged_with_what_it_said(open_server, certificates):
    with capture_logs() as lines:
        server = await open_server(certificates=certificates)
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(shake_hands, server.addresses[0], client_context(trustme.CA()))
        await until(lambda: server.connections == 0)

    assert ["tlsv1 alert unknown ca"] == [line["reason"] for line in lines if line["event"] == "tls_failed"]


async def test_handshakes_that_fail_fill_no_log(open_server, connect, certificates, metrics):
    with capture_logs() as lines:
        server = await open_server(Limits(log_lines_per_minute=2), certificates=certificates, metrics=metrics)
        for _ in range(5):
            client = await connect(server)
            await client.greet()
            await client.say("STARTTLS")
            client.send(b"no TLS at all\r\n" * 20)
            await client.rest()
        await until(lambda: server.connections == 0)

    assert 2 == len([line for line in lines if line["event"] == "tls_failed"])
    assert b'mailseal_smtp_tls_total{result="failed",version=""} 5.0' in metrics.render()
    assert b'mailseal_bounds_total{bound="smtp_log_lines"} 3.0' in metrics.render()


@pytest.mark.skipif(which("openssl") is None, reason="no openssl")
async def test_openssl_reads_the_alert_too(open_server, certificates):
    server = await open_server(certificates=certificates)
    host, port = server.addresses[0]
    command = ["openssl", "s_client", "-starttls", "smtp", "-connect", f"{host}:{port}", "-tls1_1"]
    command += ["-cipher", "DEFAULT:@SECLEVEL=0"]
    done = await asyncio.to_thread(subprocess.run, command, input=b"", capture_output=True, timeout=30, check=False)

    assert b"alert protocol version" in done.stderr


async def test_requiretls_is_not_offered_and_its_parameter_not_recognised(open_server, authority, both_kinds):
    server = await open_server(certificates=both_kinds)

    def talk():
        with smtplib.SMTP(*server.addresses[0], timeout=20) as client:
            client._host = NAME
            in_clear = client.ehlo()[1], client.docmd("MAIL", "FROM:<ana@there.example> REQUIRETLS")
            client.starttls(context=client_context(authority))
            in_tls = client.ehlo()[1], client.docmd("MAIL", "FROM:<ana@there.example> REQUIRETLS")
            return [in_clear, in_tls]

    for keywords, (code, text) in await asyncio.to_thread(talk):
        assert b"REQUIRETLS" not in keywords
        assert (555, b"5.5.4") == (code, text.split()[0])
