"""`kill -9` in a loop while agents write, people decide and the provider lies: no mail is taken twice, none is lost.

``FAULTS_MAILS=2000`` makes the long run of it.
"""

import asyncio
import os
import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import aiohttp
import pytest

from store.directory.hitl import update_agent_hitl
from store.directory.users import get_user_by_email
from store.outbound.outbound import get_outbound_message
from store.outbound.unconfirmed import sweep_unconfirmed
from tests.aws import pretend
from tests.faults.diced_ses import DicedSes

MAILS = int(os.environ.get("FAULTS_MAILS", "200"))
CLIENTS = 8
WRITER, ASKER, EXPIRER, STOPPER = (f"{name}@agents.example" for name in ("writer", "asker", "expirer", "stopper"))
HOLDS = {ASKER: (600, "reject"), EXPIRER: (1, "approve"), STOPPER: (1, "reject")}
TAKEN_ONCE = {"sent", "expired_approved"}
NEVER_TAKEN = {"queued", "pending_approval", "failed", "rejected", "expired_rejected"}


class Clients:
    """Agents that write until all their mails are answered, and two people who decide meanwhile."""

    def __init__(self, daemon, key, dice) -> None:
        self.daemon, self.dice = daemon, dice
        self.headers = {"Authorization": f"Bearer {key}"}
        self.answered = {}  # the id that was answered, by the request's own key
        self.asked_again = 0
        self.decided = Counter()

    async def ask(self, session, method, path, body=None, **headers):
        host, port = self.daemon.http
        url = f"http://{host}:{port}{path}"
        async with session.request(method, url, json=body, headers=self.headers | headers) as answer:
            return answer.status, await answer.json()

    async def write(self, session, number: int) -> None:
        """Ask with one key until there is an answer, and then, now and then, once more."""
        agent = self.dice.choices([WRITER, *HOLDS], [5, 3, 1, 1])[0]
        body = {"to": [f"reader{number}@customer.example"], "subject": f"mail {number}", "text": f"text {number}"}
        while True:
            with suppress(aiohttp.ClientError, asyncio.TimeoutError, OSError):
                key = {"Idempotency-Key": f"mail-{number}"}
                status, answer = await self.ask(session, "POST", f"/v1/agents/{agent}/send", body, **key)
                if status == 202:
                    assert self.answered.setdefault(number, answer["message_id"]) == answer["message_id"]
                    if self.dice.random() > 0.1:
                        return
            self.asked_again += 1
            await asyncio.sleep(0.05)  # this is the load, not a wait

    async def write_all(self, session, numbers) -> None:
        async def work():
            for number in numbers:
                await self.write(session, number)

        await asyncio.gather(*[work() for _ in range(CLIENTS)])

    async def decide(self, session) -> None:
        """Decide about whatever waits, in no order, until cancelled."""
        while True:
            with suppress(aiohttp.ClientError, asyncio.TimeoutError, OSError):
                status, page = await self.ask(session, "GET", "/v1/reviews?limit=20")
                for item in self.dice.sample(page["items"], len(page["items"])) if status == 200 else ():
                    verb, body = self.dice.choice(
                        [("approve", {}), ("approve", {"text": f"edited {self.dice.random()}"}), ("reject", {})]
                    )
                    status, _ = await self.ask(session, "POST", f"/v1/reviews/{item['message_id']}/{verb}", body)
                    self.decided[verb, status] += 1
            await asyncio.sleep(0.05)  # this is the load, not a wait


@pytest.mark.timeout(120 + MAILS // 4)
async def test_no_mail_is_taken_twice_and_every_one_ends_in_a_state_that_says_the_truth(home, monkeypatch, capsys):
    pretend(monkeypatch)
    dice = random.Random(2026)
    async with DicedSes(dice) as ses:
        home.more = {
            "MAILSEAL_OUTBOUND": "ses",
            "MAILSEAL_SES_REGION": "eu-west-1",
            "MAILSEAL_SES_ENDPOINT_URL": f"http://127.0.0.1:{ses.port}",
            "MAILSEAL_HITL_SWEEP_SECONDS": "0.3",
            "MAILSEAL_API_RATE_PER_KEY": "0",
            "MAILSEAL_API_RATE_PER_USER": "0",
            "MAILSEAL_OUTBOUND_SENDS_PER_HOUR": "0",
            "MAILSEAL_OUTBOUND_NEW_RECIPIENTS_PER_DAY": "0",
            "MAILSEAL_OUTBOUND_USER_SENDS_PER_HOUR": "0",
            "MAILSEAL_OUTBOUND_USER_NEW_RECIPIENTS_PER_DAY": "0",
        }
        furnish(home)
        with home.process() as daemon:
            clients = Clients(daemon, home.key, dice)
            deaths = await under_fire(daemon, clients, dice)
            assert 0 == await asyncio.to_thread(daemon.stop)
        ended = final_states(home, clients)

    with capsys.disabled():
        print(
            f"\n{MAILS} mails, {deaths} deaths, {clients.asked_again} requests asked again; {Counter(ended.values())}"
        )
        print(f"decisions {dict(clients.decided)}; the provider: {dict(ses.did)}")
    untrue = {
        each: (status, len(ses.taken[each]))
        for each, status in ended.items()
        if not is_true(home, each, status, ses.taken[each])
    }
    assert {} == untrue
    mails = {each for each in ses.taken if each.startswith("msg_")}  # the others are letters to people
    assert mails <= set(ended), "nothing went out that nobody was told of"


async def under_fire(daemon, clients, dice) -> int:
    """Have all mails written and most decided while the daemon dies again and again; how often it died."""
    deaths = 0
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        people = [asyncio.ensure_future(clients.decide(session)) for _ in range(2)]
        writing = asyncio.ensure_future(clients.write_all(session, iter(range(MAILS))))
        while not writing.done():
            await asyncio.wait([writing], timeout=dice.uniform(0.4, 2.5))
            await asyncio.to_thread(daemon.kill)
            await asyncio.to_thread(daemon.start)
            deaths += 1
        await writing
        await asyncio.sleep(3)  # the last holds are decided, and the last queue is worked off
        for person in people:
            person.cancel()
        await asyncio.gather(*people, return_exceptions=True)
    return deaths


def furnish(home) -> None:
    for address in (WRITER, *HOLDS):
        home.agent(address)

    def unit(tx):

        owner = get_user_by_email(tx, "ana@owner.example").id
        for address, (ttl, action) in HOLDS.items():
            how = {"enabled": True, "ttl_seconds": ttl, "expiration_action": action}
            update_agent_hitl(tx, owner, address, **how, now=home.clock.now())

    home.store.run(unit)


def final_states(home, clients) -> dict[str, str]:
    """Every mail's status once all leases are over, as the sweep of a daemon would make it."""
    later = home.clock.now() + timedelta(hours=1)
    while home.store.run(lambda tx: sweep_unconfirmed(tx, limit=200, now=later)):
        pass
    ids = list(clients.answered.values())
    assert MAILS == len(set(ids)), "each request made one mail"
    return {each: home.store.run(lambda tx, each=each: get_outbound_message(tx, each)).status for each in ids}


def is_true(home, message_id, status, taken) -> bool:
    """Whether what the provider took of a mail is what its status says."""
    message = home.store.run(lambda tx: get_outbound_message(tx, message_id))
    if status in TAKEN_ONCE:
        return taken == [message.digest]
    if status in NEVER_TAKEN:
        return taken == []
    return status == "unconfirmed" and taken in ([], [message.digest])
