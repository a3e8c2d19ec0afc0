"""A relay that listens to SES, from its settings to its door."""

import aiohttp
import pytest

from relay.master_files import read_master
from relay.outbound.feedback.event_source import events_secret
from tests.journeys.home import Home
from tests.outbound.feedback.topic import ARN, posted

OWN_SECRET = "a-secret-of-the-operator-s"
NOBODY = "127.0.0.1:9"


async def answered(home, secret, body):
    async with home.daemon() as relay, aiohttp.ClientSession() as session:
        url = "http://{}:{}/ses/events/".format(*relay.http) + secret
        async with session.post(url, data=body, headers={"Content-Type": "text/plain; charset=UTF-8"}) as answer:
            return answer.status, (await answer.json(content_type=None))["code"]


@pytest.mark.parametrize(
    ("more", "secret", "told"),
    [
        ({"SES_TOPIC_ARN": ARN}, None, (403, "unproven_event")),
        ({"SES_TOPIC_ARN": ARN}, OWN_SECRET, (404, "not_found")),
        ({"SES_TOPIC_ARN": ARN, "SES_EVENTS_SECRET": OWN_SECRET}, OWN_SECRET, (403, "unproven_event")),
        ({"SES_TOPIC_ARN": ARN, "SES_EVENTS_SECRET": OWN_SECRET}, None, (404, "not_found")),
        ({}, None, (404, "not_found")),
    ],
)
async def test_the_place_that_sns_posts_to_is_where_the_settings_say(tmp_path, sqlite_file_url, more, secret, told):
    home = Home(tmp_path / "data", sqlite_file_url, NOBODY, {f"MAILSEAL_{name}": each for name, each in more.items()})
    home.agent()
    home.close()
    another_topic_s = posted(TopicArn=ARN.replace("mails", "others"))

    found = await answered(home, secret or events_secret(read_master(home.settings), "ses"), another_topic_s)

    assert told == found
