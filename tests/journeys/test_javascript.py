"""The published JavaScript library verifies our deliveries, where it is: ``npm install standardwebhooks``, NODE_PATH."""

import asyncio
import json
import subprocess

import pytest

from tests.journeys.home import HOOK
from tests.journeys.sender import letter, sent

VERIFY = """
const { Webhook } = require("standardwebhooks");
const { secret, body, headers } = JSON.parse(require("fs").readFileSync(0, "utf8"));
try { console.log(new Webhook(secret).verify(body, headers).data.message_id); }
catch (error) { console.log(error.constructor.name + ": " + error.message); }
"""


def node(program: str, given: object = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", "-e", program], check=False, input=json.dumps(given), capture_output=True, text=True, timeout=30
    )


@pytest.fixture(scope="module")
def library():
    try:
        found = node('require("standardwebhooks")').returncode == 0
    except FileNotFoundError:
        found = False
    if not found:
        pytest.skip("node does not find the package standardwebhooks")


@pytest.mark.usefixtures("library")
async def test_the_javascript_library_verifies_a_delivery_and_no_other_body(sqlite_home, sink):
    sqlite_home.agent(HOOK, webhook=sink.url())
    async with sqlite_home.daemon() as relay:
        (message_id,) = await sent(relay.smtp, letter(), HOOK)
        posted = await sink.got_about(message_id)
    request = {"secret": sqlite_home.secret(), "headers": dict(posted.headers), "body": posted.body.decode()}
    forged = request | {"body": request["body"].replace(message_id, "msg_forged")}

    told = [(await asyncio.to_thread(node, VERIFY, each)).stdout.strip() for each in (request, forged)]

    assert [message_id, "WebhookVerificationError: No matching signature found"] == told
