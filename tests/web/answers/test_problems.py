"""Whatever the framework answers by itself is a problem document with a code of the list."""

import pytest
from structlog.testing import capture_logs

from relay.web.answers.problems import CODES
from tests.web.client import BOT, messages, queue
from tests.web.http.wire import head, line

ACK = queue("ack")
JSON = {"Content-Type": "application/json"}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/keys", "GET, POST"),
        ("HEAD", ACK, "POST"),
        ("OPTIONS", "/v1/me", "GET"),
        ("OPTIONS", "/v1/keys", "GET, POST"),
        ("DELETE", messages("/msg_0"), "GET, PATCH"),
        ("GET", ACK, "POST"),
        ("POST", "/healthz", "GET"),
        ("TRACE", "/healthz", "GET"),
        ("BREW", "/v1/me", "GET"),
    ],
)
async def test_a_method_that_a_path_has_not_is_told_with_those_it_has(shared_api, method, path, allowed):
    answer = await shared_api.ask(method, path)

    assert (405, allowed) == (answer.status, answer.headers["Allow"])
    assert method == "HEAD" or (405, "method_not_allowed") == answer.problem


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("problem", "path"),
    [
        ((404, "not_found"), "/v1"),
        ((404, "not_found"), "/v1/"),
        ((404, "not_found"), "/v1/nothing"),
        ((404, "not_found"), "/v1/me/"),
        ((404, "not_found"), "//v1/me"),
        ((404, "not_found"), "/V1/me"),
        ((404, "not_found"), "/v1/%6De%00"),
        ((404, "not_found"), messages("/a%00b")),
        ((404, "not_found"), messages("/a%2Fb")),
        ((404, "message_not_found"), messages("/%zz")),
        ((404, "message_not_found"), messages("/%FF%FE")),
        ((404, "message_not_found"), messages("/%ED%A0%80")),
        ((422, "invalid_request"), messages("/msg_0/attachments/%D9%A1x")),
        ((422, "invalid_value"), messages("?cursor=%00")),
        ((422, "invalid_value"), messages("?status=all&unknown=%00")),
        ((422, "invalid_request"), messages("?wait=nan")),
        ((422, "invalid_request"), messages("?limit=1e2")),
        ((422, "invalid_request"), messages("?status=%FF")),
        ((422, "invalid_value"), "/v1/agents/%zz/messages"),
        ((404, "agent_not_found"), "/v1/agents/%FF%40agents.example/messages"),
    ],
)
async def test_a_path_or_query_that_cannot_be_is_a_problem(shared_api, problem, path):
    assert problem == (await shared_api.get(path)).problem


@pytest.mark.parametrize("path", [messages("/%FF"), messages("?cursor=%ED%A0%80"), "/v1/agents/%ED%A0%80%40x.example/messages"])  # fmt: skip
async def test_what_no_database_takes_is_a_problem_with_both(api_server, path):
    await api_server.agent()

    assert (await api_server.get(path)).problem[0] in {404, 422}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", ";"]
)  # fmt: skip
async def test_a_body_that_is_not_said_to_be_json_is_told_so(shared_api, kind):
    headers = {} if kind is None else {"Content-Type": kind}

    answer = await shared_api.ask("POST", ACK, data=b'{"receipts": ["x"]}', headers=headers)

    assert (415, "unsupported_media_type") == answer.problem


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"])
async def test_json_by_any_of_its_names_is_read(shared_api, kind):
    answer = await shared_api.ask("POST", ACK, data=b'{"receipts": ["x"]}', headers={"Content-Type": kind})

    assert 409 == answer.status


@pytest.mark.asyncio(loop_scope="module")
async def test_malformed_json_is_told_with_its_place(shared_api):
    answer = await shared_api.ask("POST", ACK, data=b'{"receipts": ]', headers=JSON)

    assert (400, "malformed_json") == answer.problem
    assert [{"at": "body/13", "problem": "Expecting value"}] == answer.json["errors"]


@pytest.mark.asyncio(loop_scope="module")
async def test_unknown_fields_and_wrong_types_are_told_with_their_places(shared_api):
    answer = await shared_api.post(queue("lease"), {"max": "many", "colour": 1})

    assert (422, "invalid_request") == answer.problem
    assert {"body/max", "body/colour"} == {each["at"] for each in answer.json["errors"]}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_client_s_own_words_are_not_said_back_without_end(shared_api):
    answer = await shared_api.post(queue("lease"), {"x" * 300 + str(number): 1 for number in range(60)})

    assert (422, 20, 200) == (answer.status, len(answer.json["errors"]), len(answer.json["errors"][0]["at"]))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "field", ["Cookie: \x80\xff", "X-A: " + "b" * 8000, "Accept: nonsense;;;", "Accept-Encoding: "]
)
async def test_junk_in_fields_that_nobody_reads_disturbs_nobody(shared_api, field):
    async with line(shared_api) as client:
        await client.say(head(shared_api, "/v1/me", field))

        assert 200 == (await client.reply()).status


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("target", ["*", "http://relay.example/v1/me", "relay.example:443", "?", "/../v1/me"])
async def test_a_target_of_another_form_leads_nowhere(shared_api, target):
    async with line(shared_api) as client:
        await client.say(head(shared_api, target))

        assert (404, "not_found") == (await client.reply()).problem


@pytest.mark.asyncio(loop_scope="module")
async def test_every_code_is_in_the_description(shared_api):
    document = (await shared_api.get("/openapi.json", key=None)).json

    assert list(CODES) == document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert len(CODES) == len(set(CODES))


async def test_an_error_that_nobody_expected_tells_nothing(sqlite_api):
    await sqlite_api.agent()
    sqlite_api.store.read = None

    with capture_logs() as logged:
        answer = await sqlite_api.get(messages())

    assert (500, "internal_error") == answer.problem
    assert ["request_failed"] == [each["event"] for each in logged]
    assert b"None" not in answer.body
    assert BOT not in answer.body.decode()
