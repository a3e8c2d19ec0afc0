"""Every case of the published ARC suite, and two real chains."""

import pytest

from relay.auth.arc import find_chain, key_names, validate
from relay.auth.arc_set import Chain
from relay.auth.body_hash import hash_body
from relay.auth.dkim import fetch_keys
from relay.auth.dkim_key import KeyCache
from relay.mail.headers import header_end, split_headers
from tests.auth.suites import SUITES, crlf, documents, needs_suites
from tests.fakes import FakeResolver


def cases():
    for document in documents("arc/arc-draft-validation-tests.yml"):
        for name, case in document["tests"].items():
            yield pytest.param(case, document["txt-records"], id=f"{document['description']}: {name}")


async def arc_of(mail: bytes, resolver):
    headers = split_headers(mail)
    chain = find_chain(headers)
    if not isinstance(chain, Chain):
        return chain
    keys = await fetch_keys(key_names(chain), resolver=resolver, keys=KeyCache())
    bodies = hash_body([mail[header_end(mail) :]], {chain.newest.body})
    return validate(chain, headers=headers, keys=keys, bodies=bodies)


@needs_suites
@pytest.mark.parametrize(("case", "records"), list(cases()))
async def test_a_published_chain_has_its_result(case, records):
    resolver = FakeResolver({(name, "TXT"): ["".join(text.splitlines())] for name, text in records.items()})
    wanted = case["cv"].strip().lower() or "fail"  # a chain sealed as failed stays failed

    result = await arc_of(crlf(case["message"].encode()), resolver)

    assert wanted == result.result, result.detail


@needs_suites
@pytest.mark.parametrize(("name", "sealer"), [("001", "google.com"), ("002", "manchego.org")])
async def test_a_real_chain_holds(name, sealer):
    zone, _, mail = (SUITES / "arc" / f"{name}.txt").read_bytes().partition(b"\n\n")
    records = dict(line.split(" ", 1) for line in zone.decode().splitlines())
    resolver = FakeResolver({(key, "TXT"): [text] for key, text in records.items()})

    result = await arc_of(crlf(mail), resolver)

    assert ("pass", sealer) == (result.result, result.sealer), result.detail
