"""The account as a whole, by the API."""

import io
import zipfile

from tests.web.client import BOT, messages


async def test_an_account_is_taken_along(api_server):
    await api_server.agent()
    kept = await api_server.message()

    answer = await api_server.get("/v1/account/export")

    assert (200, "application/zip") == (answer.status, answer.headers["Content-Type"])
    archive = zipfile.ZipFile(io.BytesIO(answer.body))
    assert kept.id.encode() in archive.read("account.jsonl")
    assert b"Subject: hi\r\n\r\nhello\r\n" == archive.read(f"raw/{kept.raw_sha256}.eml")


async def test_an_account_is_taken_away_with_its_keys(api_server):
    await api_server.agent()
    await api_server.message()
    eve = await api_server.new_key("eve@stranger.example")

    answer = await api_server.ask("DELETE", "/v1/account")

    assert (200, 1, 1) == (answer.status, answer.json["deleted"]["users"], answer.json["deleted"]["messages"])
    assert (401, "unauthorized") == (await api_server.get(messages())).problem
    assert 200 == (await api_server.get("/v1/me", key=eve)).status
    assert BOT.encode() not in (await api_server.get("/v1/account/export", key=eve)).body
