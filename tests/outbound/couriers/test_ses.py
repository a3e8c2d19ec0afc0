"""SES: what is sent, and what each end of a request means."""

import asyncio
import base64
import subprocess
import sys

import boto3
import pytest
from moto.server import ThreadedMotoServer

from relay.errors import CourierBusy, CourierRefused, Misconfigured
from relay.outbound.couriers.lease_guard import make_lease_check
from relay.outbound.couriers.ses.courier import SesCourier
from store.errors import SendUnconfirmed
from store.outbound.sending import LEASE
from tests.aws import pretend
from tests.delivery.test_post import wire
from tests.outbound.drafting import composed
from tests.outbound.lines import Cut, SpokenSes

RAW = composed().raw
OPEN = {"Max24HourSend": 1000, "MaxSendRate": 100, "SentLast24Hours": 0}


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    pretend(monkeypatch)


@pytest.fixture
async def courier():
    made = []

    def make(port, *, seconds=60, **options):
        url = f"http://127.0.0.1:{port}"
        made.append(SesCourier(region="eu-west-1", endpoint_url=url, seconds=seconds, **options))
        return made[-1]

    yield make
    for each in made:
        await each.close()


def carry(courier, *recipients, check_lease=lambda: None):
    to = recipients or ("ana@example.com",)
    return courier.carry(
        RAW, mail_from="bot@agents.example", recipients=to, attempt_id="att_1", check_lease=check_lease
    )


async def test_a_mail_goes_to_a_whole_ses_that_knows_the_domain(courier):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        with pytest.raises(CourierRefused, match="authority to send"):
            await carry(courier(port))
        client = boto3.client("sesv2", region_name="eu-west-1", endpoint_url=f"http://{host}:{port}")
        client.create_email_identity(EmailIdentity="agents.example")
        assert await carry(courier(port), "ana@example.com", "hidden@example.com")
        client.close()
    finally:
        await asyncio.to_thread(server.stop)


async def test_the_request_names_everybody_and_our_attempt(courier):
    async with SpokenSes() as ses:
        assert "0100-1" == await carry(
            courier(ses.port, configuration_set="feedback"), "ana@example.com", "bo@example.com"
        )

    (mail,) = ses.mails
    assert RAW == base64.b64decode(mail.pop("Content")["Raw"]["Data"])
    assert {
        "Destination": {"ToAddresses": ["ana@example.com", "bo@example.com"]},
        "EmailTags": [{"Name": "mailseal-attempt", "Value": "att_1"}],
        "ConfigurationSetName": "feedback",
    } == mail


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((429, {"code": "TooManyRequestsException", "message": "slow down"}), CourierBusy),
        ((400, {"code": "ThrottlingException", "message": "slow down"}), CourierBusy),
        ((400, {"code": "SendingPausedException", "message": "paused"}), CourierBusy),
        ((403, {"code": "InvalidSignatureException", "message": "who?"}), CourierBusy),
        ((503, {"code": "ServiceUnavailable", "message": "later"}), CourierBusy),
        ((400, {"code": "MessageRejected", "message": "Email address is not verified"}), CourierRefused),
        ((400, {"code": "BadRequestException", "message": "no"}), CourierRefused),
        ((500, {"code": "InternalFailure", "message": "?"}), SendUnconfirmed),
        ((502, b"<html>bad gateway</html>"), SendUnconfirmed),
        ((504, b""), SendUnconfirmed),
        ((200, b"not json"), SendUnconfirmed),
        ((200, {}), SendUnconfirmed),
        ((200, b'{"MessageId": "\xff"}'), SendUnconfirmed),
        ((200, {"MessageId": "x\r\nBcc: y"}), SendUnconfirmed),
        ((200, {"MessageId": "x" * 201}), SendUnconfirmed),
        ((200, {"MessageId": "x y"}), SendUnconfirmed),
        ((200, {"MessageId": ["x"]}), SendUnconfirmed),
        ((200, b'{"MessageId": "x", "y": "' + b"z" * 70_000 + b'"}'), SendUnconfirmed),
        ((400, b'{"code": "MessageRejected", "y": "' + b"z" * 70_000 + b'"}'), SendUnconfirmed),
        ((200, b"[1]"), SendUnconfirmed),
        ((200, b'"sent"'), SendUnconfirmed),
        ((200, b"null"), SendUnconfirmed),
        ((500, b"[1]"), SendUnconfirmed),
        ((502, b"\xff"), SendUnconfirmed),
        ((None, None), SendUnconfirmed),
    ],
)
async def test_an_answer_means_this_and_the_mail_is_offered_once(courier, answer, kind):
    async with SpokenSes([answer]) as ses:
        with pytest.raises(kind) as caught:
            await carry(courier(ses.port))

    assert 1 == len(ses.mails)
    if isinstance(answer[1], dict) and kind is CourierRefused:
        assert answer[1]["message"] in str(caught.value)


async def test_nobody_listening_is_certainly_not_sent(courier):
    with pytest.raises(CourierBusy):
        await carry(courier(1))


async def test_an_answer_cut_off_leaves_it_in_doubt(courier):
    async with SpokenSes() as ses, Cut(ses.port, down=b"MessageId") as line:
        with pytest.raises(SendUnconfirmed):
            await carry(courier(line.port))

    assert 1 == len(ses.mails)


async def test_an_answer_that_does_not_come_in_time_leaves_it_in_doubt(courier):
    async with SpokenSes(quota=OPEN) as ses, Cut(ses.port, hold=b"MessageId") as line:
        with pytest.raises(SendUnconfirmed):
            await carry(courier(line.port, seconds=2))

    assert 1 == len(ses.mails)


async def test_a_request_cut_off_is_in_doubt_too(courier):
    async with SpokenSes() as ses, Cut(ses.port, up=b"outbound-emails") as line:
        with pytest.raises(SendUnconfirmed):
            await carry(courier(line.port))

    assert [] == ses.mails


async def test_a_mail_whose_turn_comes_when_its_claim_is_over_is_kept_back(courier, clock):
    async with SpokenSes(quota=OPEN) as ses, Cut(ses.port, hold=b"MessageId") as line:
        one, check_lease = courier(line.port, seconds=2), make_lease_check(clock.now() + LEASE, clock=clock)
        # As many as there are threads hang there; one more stands in line.
        hanging = [asyncio.ensure_future(carry(one, check_lease=check_lease)) for _ in range(8)]
        async with asyncio.timeout(20):
            while len(ses.mails) < 8:  # noqa: ASYNC110 (a server of its own)
                await asyncio.sleep(0.01)
        late = asyncio.ensure_future(carry(one, check_lease=check_lease))
        await asyncio.sleep(0)
        clock.advance(minutes=4)

        ends = await asyncio.gather(*hanging, late, return_exceptions=True)

    assert [SendUnconfirmed] * 8 + [CourierBusy] == [type(end) for end in ends]
    assert 8 == len(ses.mails)


async def test_the_days_share_is_kept_to(courier):
    async with SpokenSes(quota=OPEN | {"SentLast24Hours": 998}) as ses:
        one = courier(ses.port)
        await carry(one, "ana@example.com", "bo@example.com")
        with pytest.raises(CourierBusy, match="24 hours") as caught:
            await carry(one)

    assert caught.value.seconds > 0
    assert (1, 1) == (len(ses.mails), ses.asked)


async def test_a_mail_that_waits_for_the_quota_goes_back_when_the_courier_stops_accepting(courier):
    async with SpokenSes(quota=OPEN | {"MaxSendRate": 1}) as ses:
        one = courier(ses.port)
        await carry(one, *[f"r{n}@example.com" for n in range(5)])
        waiting = asyncio.ensure_future(carry(one))
        await asyncio.sleep(0.05)
        one.stop_accepting()

        with pytest.raises(CourierBusy, match="stopping"):
            await asyncio.wait_for(waiting, 1)

    assert 1 == len(ses.mails)


async def test_a_hand_over_that_has_begun_ends_though_the_courier_stops_accepting(courier):
    async with SpokenSes(quota=OPEN) as ses, Cut(ses.port, hold=b"MessageId") as line:
        one = courier(line.port, seconds=2)
        begun = asyncio.ensure_future(carry(one))
        async with asyncio.timeout(20):
            while not ses.mails:  # noqa: ASYNC110 (a server of its own)
                await asyncio.sleep(0.01)
        one.stop_accepting()

        with pytest.raises(SendUnconfirmed):
            await begun


async def test_a_question_for_the_quota_that_hangs_does_not_hold_up_a_stop(courier):
    async with SpokenSes(quota=OPEN) as ses, Cut(ses.port, hold=b"SendQuota") as line:
        one = courier(line.port, seconds=2)
        asking = asyncio.ensure_future(carry(one))
        async with asyncio.timeout(20):
            while not ses.asked:  # noqa: ASYNC110 (a server of its own)
                await asyncio.sleep(0.01)
        one.stop_accepting()

        with pytest.raises(CourierBusy, match="stopping"):
            await asyncio.wait_for(asking, 1)

    assert [] == ses.mails


async def test_an_ses_courier_used_after_close_answers_that_it_is_busy(courier):
    async with SpokenSes() as ses:
        one = courier(ses.port)
        await one.close()

        with pytest.raises(CourierBusy, match="stopping"):
            await carry(one)

    assert ([], 0) == (ses.mails, ses.asked)


async def test_no_credentials_are_for_the_operator_to_mend(courier, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    async with SpokenSes() as ses:
        with pytest.raises(CourierBusy, match="credentials"):
            await carry(courier(ses.port))


def test_boto3_is_not_loaded_where_ses_is_not_chosen():
    code = "import sys, relay.outbound.couriers.registry; sys.exit('boto3' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


def test_without_a_region_it_says_what_to_set():
    with pytest.raises(Misconfigured, match="MAILSEAL_SES_REGION"):
        SesCourier(region=None)


async def test_an_answer_without_end_is_read_only_so_far(courier):
    written = 0

    async def talk(reader, writer):
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400000000\r\n\r\n")
        while True:
            writer.write(b" " * 65_536)
            written += 65_536
            await writer.drain()

    async with wire(talk) as port:
        with pytest.raises(CourierBusy, match="more than 65536 bytes"):  # asked for the quota, before any mail
            await carry(courier(port))

    assert written < 64 * 1024 * 1024
