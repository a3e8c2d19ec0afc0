"""A sender that did not read its 250 sends the same mail again, perhaps to another daemon, at once (RFC 1047)."""

import asyncio

from tests.journeys.home import BOT
from tests.journeys.sender import letter, sent

OTHER = "other@agents.example"
MAILS = 10


async def test_copies_that_reach_two_daemons_at_once_are_stored_once_and_answered_with_the_same_ids(postgres_home):
    postgres_home.agent(OTHER)
    postgres_home.agent(BOT)
    async with postgres_home.daemon() as one, postgres_home.daemon() as two:
        answers = [
            await asyncio.gather(*(sent(each.smtp, letter(number), BOT, OTHER) for each in (one, two, one, two)))
            for number in range(MAILS)
        ]
        async with postgres_home.poller(one.http) as bot, postgres_home.poller(two.http, OTHER) as other:
            stored = [await agent.lease(most=4 * MAILS) for agent in (bot, other)]

    assert [1] * MAILS == [len({tuple(ids) for ids in copies}) for copies in answers]
    for place, items in enumerate(stored):
        assert [copies[0][place] for copies in answers] == [item["message"]["message_id"] for item in items]
