"""The short form of `make faults`: a few faults on each database, and a ledger that finds what is broken."""

import asyncio

import pytest

from tests.faults.forked import warm_up
from tests.faults.kinds import POSTGRESQL, SQLITE, faults_for
from tests.faults.ledger import LONGEST_SECONDS, HandedOut, Ledger
from tests.faults.runs import Plan, run

# The kill comes first: what it leaves claimed is due again when the other faults are over.
ON_SQLITE = ("kill -9, before the commit of a mail", "full disk", "read-only disk", "locked database")
ON_POSTGRESQL = (
    "kill -9, webhook: the request came",
    "connection cut after a commit",
    "PostgreSQL's connections reset",
)


async def test_nothing_is_lost_or_done_twice_under_a_few_faults(postgres):
    warm_up()
    plans = [
        Plan(SQLITE, 1, len(ON_SQLITE), seed=11, only=ON_SQLITE),
        Plan(POSTGRESQL, 2, len(ON_POSTGRESQL), seed=12, only=ON_POSTGRESQL),
    ]
    results = await asyncio.gather(*(run(plan, postgres=postgres) for plan in plans))

    for result in results:
        assert {} == {kind: found for kind, found in result.ledger.findings.items() if found}
        assert len(result.plan.only) == len(result.cycles)
        assert result.ledger.promised
        assert result.ledger.posts
        assert result.ledger.acknowledged


@pytest.mark.parametrize("database", [SQLITE, POSTGRESQL])
def test_a_seed_gives_the_same_faults_in_the_same_order_and_each_of_them(database):
    each = faults_for(database)
    one, again, other = (
        [fault.name for fault in Plan(database, 1, len(each), seed=seed).faults()] for seed in (1, 1, 2)
    )

    assert one == again != other
    assert sorted(one) == sorted(fault.name for fault in each)


def kept():
    """A ledger without a fault: a mail, an event, a lease and a message that was sent."""
    ledger = Ledger()
    for message_id in ("msg_hook", "msg_bot", "msg_out"):
        ledger.promise(message_id, "it")
    ledger.posts.append(HandedOut("evt_1", "msg_hook", at=1.0))
    ledger.leases.append(HandedOut("", "msg_bot", at=1.0))
    ledger.acknowledged.add("msg_bot")
    ledger.taken["msg_out"] = 1
    ledger.records(["evt_1"], ["msg_bot"], at=2.0)
    return ledger


def judged(ledger, *, there=("msg_hook", "msg_bot", "msg_out"), status="sent", twins=(), log=()):
    """What is found in *ledger*, by kind."""
    ledger.require_there(ledger.promised, there)
    ledger.judge_mails({"msg_hook"} & set(there), {"msg_bot"} & set(there))
    ledger.judge_handing_out()
    ledger.judge_sends({"msg_out": status})
    ledger.judge_twins(twins)
    ledger.judge_log(log)
    return {kind: len(found) for kind, found in ledger.findings.items() if found}


def test_a_ledger_of_kept_promises_finds_nothing():
    assert {} == judged(kept())


def test_a_ledger_finds_each_broken_promise():
    unposted, unleased, unread, posted, leased, twice, late = (kept() for _ in range(7))
    unposted.posts.clear()
    unleased.leases.clear()
    unread.acked.clear()
    posted.posts.append(HandedOut("evt_1", "msg_hook", at=3.0))
    leased.leases.append(HandedOut("", "msg_bot", at=3.0))
    twice.taken["msg_out"] = 2
    late.waited(late.began - LONGEST_SECONDS - 1, "mail 1")
    strange = kept()
    strange.taken["msg_unknown"] = 1

    assert {"lost": 1} == judged(kept(), there=("msg_bot", "msg_out"))
    assert [{"lost": 1}] * 3 == [judged(ledger) for ledger in (unposted, unleased, unread)]
    assert [{"delivered_again": 1}] * 2 == [judged(ledger) for ledger in (posted, leased)]
    assert [{"sent_twice": 1}] * 3 == [judged(twice), judged(strange), judged(kept(), status="failed")]
    assert {"lost": 1} == judged(Ledger(), there=(), status="sent")
    assert {"stored_twice": 1} == judged(kept(), twins=[("hook@agents.example", "mail 1", 2)])
    assert {"bugs": 1} == judged(kept(), log=[{"event": "handler_failed", "exception": "ValueError"}])
    assert {"late": 1} == judged(late)
