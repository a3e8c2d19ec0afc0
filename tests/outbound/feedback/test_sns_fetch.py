"""Asking SNS in return, over a real line."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from relay.errors import SnsUnreachable
from relay.outbound.feedback.sns_fetch import MAX_ANSWER, MAX_CACHED, SnsClient
from tests.delivery.test_post import wire
from tests.outbound.feedback.topic import certificate, pem


def answering(status, **headers):
    return lambda: web.Response(status=status, headers=headers)


class Spoken:
    """An HTTP server that answers each path with what it is told, and notes what it was asked."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []
        self.base = ""

    async def answer(self, request):
        self.asked.append(request.path_qs)
        given = self.answers.get(request.path.strip("/").partition(".")[0], answering(404))
        return given() if callable(given) else web.Response(body=given)


@asynccontextmanager
async def spoken(**answers):
    told = Spoken(**answers)
    app = web.Application()
    app.router.add_get("/{any:.*}", told.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    told.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield told
    finally:
        await runner.cleanup()


async def test_a_certificate_is_fetched_once_and_remembered():
    made = certificate()
    async with spoken(x=pem(made)) as sns:
        line = SnsClient()
        found = [await line.certificate(f"{sns.base}/x.pem") for _ in range(3)]

    assert [made] * 3 == found
    assert ["/x.pem"] == sns.asked


async def test_so_many_certificates_are_remembered_and_no_more():
    async with spoken(**{f"n{n}": pem(certificate()) for n in range(MAX_CACHED + 1)}) as sns:
        line = SnsClient()
        for n in [*range(MAX_CACHED), 0, MAX_CACHED, 0, 1]:
            await line.certificate(f"{sns.base}/n{n}.pem")

    assert [1, 2] == [sns.asked.count(f"/n{n}.pem") for n in (0, 1)]
    assert MAX_CACHED + 2 == len(sns.asked)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>sign in to this network</html>",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"x" * (MAX_ANSWER + 1),
        answering(404),
        answering(500),
        answering(302, Location="/good.pem"),
    ],
    ids=["nothing", "a page", "broken", "too much", "404", "500", "a redirect"],
)
async def test_what_is_no_certificate_is_not_remembered(answer):
    async with spoken(x=answer, good=pem(certificate())) as sns:
        line = SnsClient()
        for _ in range(2):
            with pytest.raises(SnsUnreachable):
                await line.certificate(f"{sns.base}/x.pem")

    assert ["/x.pem"] * 2 == sns.asked


async def test_sns_that_is_slow_is_not_waited_for():
    async def hang(reader, writer):
        try:
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x.pem"
    with pytest.raises(SnsUnreachable):
        await SnsClient(seconds=0.1).certificate(url)

    server.close()
    with pytest.raises(SnsUnreachable):
        await SnsClient().certificate(url)


async def test_a_subscription_begins_by_asking_for_its_address_as_it_stands():
    query = "/?Action=ConfirmSubscription&TopicArn=arn%3Aaws:sns&Token=2336"
    async with spoken(**{"": b"<ConfirmSubscriptionResponse/>"}) as sns:
        await SnsClient().confirm(f"{sns.base}{query}")

    assert [query] == sns.asked


async def test_a_subscription_that_sns_does_not_begin_is_told():
    async with spoken() as sns:
        with pytest.raises(SnsUnreachable):
            await SnsClient().confirm(f"{sns.base}/?Action=ConfirmSubscription")


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 100 Continue\r\n\r\n" * 21, b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20_000]
)
async def test_the_head_of_an_answer_is_bounded(head):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await asyncio.sleep(60)

    async with wire(talk) as port, asyncio.timeout(30):
        with pytest.raises(SnsUnreachable):
            await SnsClient(seconds=60).certificate(f"http://127.0.0.1:{port}/x.pem")
