"""The client of a request behind a proxy: told by a trusted one, and only as far as it knows."""

from ipaddress import ip_network

import pytest

from relay.web.http.limits import ApiLimits
from relay.web.http.peers import TrustedProxies
from tests.cost import cost
from tests.web.client import ApiServer
from tests.web.http.wire import head, line

NETWORKS = [ip_network(each) for each in ("127.0.0.0/8", "10.0.0.0/8", "2001:db8::/32")]
PROXY = ("127.0.0.1", 40_000)
CLIENT = ("203.0.113.7", 0)


async def seen(*fields, peer=PROXY, networks=NETWORKS):
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)

    headers = [(name.encode(), value.encode()) for name, value in fields]
    scope = {"type": "http", "client": peer, "scheme": "http", "headers": headers, "state": {"kept": True}}
    await TrustedProxies(app, networks)(scope, None, None)
    assert scopes[0]["state"]["kept"]
    return scopes[0]


@pytest.mark.parametrize(
    ("told", "client"),
    [
        ("203.0.113.7", CLIENT),
        ("198.51.100.1, 203.0.113.7", CLIENT),
        ("junk, 203.0.113.7", CLIENT),
        ("203.0.113.7, 10.1.2.3", CLIENT),
        ("198.51.100.1, 203.0.113.7 , 10.1.2.3, 127.0.0.1", CLIENT),
        ("203.0.113.7:51234", CLIENT),
        ("::ffff:203.0.113.7", CLIENT),
        ("2001:db9::1", ("2001:db9::1", 0)),
        ("[2001:db9::1]:443", ("2001:db9::1", 0)),
        ("10.1.2.3, 10.9.9.9", ("10.1.2.3", 0)),
        ("203.0.113.7, junk", PROXY),
        ("203.0.113.7, junk, 10.1.2.3", ("10.1.2.3", 0)),
        ("", PROXY),
    ],
)
async def test_the_last_hop_that_is_no_proxy_is_the_client(told, client):
    assert client == (await seen(("x-forwarded-for", told)))["client"]


@pytest.mark.parametrize(
    ("told", "client"),
    [
        ("for=203.0.113.7", CLIENT),
        ('For="203.0.113.7:99";proto=https;by=_x', CLIENT),
        ("for=198.51.100.1, proto=http;for=203.0.113.7", CLIENT),
        ('for="[2001:db9::1]:4711"', ("2001:db9::1", 0)),
        ("for=203.0.113.7, for=10.0.0.1", CLIENT),
        ('for="198.51.100.1, for=203.0.113.7', CLIENT),
        ("for=unknown", PROXY),
        ("for=_hidden", PROXY),
        ("proto=https", PROXY),
    ],
)
async def test_forwarded_names_the_client_too(told, client):
    assert client == (await seen(("forwarded", told)))["client"]


async def test_fields_that_disagree_name_no_client():
    both = [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=198.51.100.1")]

    assert PROXY == (await seen(*both))["client"]
    assert CLIENT == (await seen(both[0], ("forwarded", "for=203.0.113.7")))["client"]


async def test_fields_given_twice_count_in_their_order():
    assert CLIENT == (await seen(("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.7")))["client"]


async def test_a_stranger_is_not_believed():
    stranger = ("198.51.100.9", 1)
    scope = await seen(("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", "https"), peer=stranger)

    assert (stranger, "http") == (scope["client"], scope["scheme"])


async def test_without_the_setting_not_even_this_machine_is_believed():
    assert PROXY == (await seen(("x-forwarded-for", "203.0.113.7"), networks=()))["client"]


@pytest.mark.parametrize(("told", "scheme"), [("https", "https"), ("http, HTTPS", "https"), ("ftp", "http")])
async def test_the_scheme_comes_from_the_nearest_proxy(told, scheme):
    assert scheme == (await seen(("x-forwarded-proto", told)))["scheme"]


@pytest.mark.parametrize("sign", [",", '"', ";", "=", "a", "\\", "for=", "10.0.0.1,", '"\\'])
def test_a_field_of_any_signs_costs_little(sign):
    scope = {"type": "http", "client": PROXY, "headers": [(b"forwarded", (sign * 16_000)[:16_000].encode())]}
    scope["headers"].append((b"x-forwarded-for", scope["headers"][0][1]))
    proxies = TrustedProxies(lambda *_: None, NETWORKS)

    assert 8 > cost(lambda: proxies._reported(scope), enough=8)


# Over HTTP


@pytest.fixture
def opened(sqlite_store, clock, places):
    return lambda **limits: ApiServer(sqlite_store, clock, places, ApiLimits(failed_keys_per_peer=3, **limits))


async def statuses(api_server, *, method="GET", path="/v1/me"):
    found = []
    for number in range(6):
        async with line(api_server) as client:
            field = f"X-Forwarded-For: 203.0.113.{number}"
            await client.say(head(api_server, path, field, method=method, key="mk_nonsense"))
            found.append((await client.reply()).status)
    return found


async def test_guesses_count_for_their_own_peer_whatever_a_client_writes(opened):
    api_server = opened()
    await api_server.open()

    assert [401, 401, 401, 429, 429, 429] == await statuses(api_server)
    await api_server.close()


async def test_guesses_behind_a_trusted_proxy_count_for_their_clients(opened):
    api_server = opened(trusted_proxies=(ip_network("127.0.0.1/32"),))
    await api_server.open()

    assert [401] * 6 == await statuses(api_server)
    await api_server.close()
