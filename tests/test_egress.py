"""Which addresses and URLs a tenant's webhook may lead to."""

from contextlib import suppress
from ipaddress import IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.egress import MAX_URL, Target, allowed, check_url, may_connect
from relay.errors import ForbiddenTarget

LAN = (ip_network("10.0.0.0/8"), ip_network("127.0.0.0/8"), ip_network("fd00::/8"))

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "2003::1",
    "2001:200::1",
    "3ffe:ffff::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]
FORBIDDEN = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:0.0.0.0",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:7f00:1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "3fff:fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2001:4860:4860::8888%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address):
    assert allowed(ip_address(address)) is True


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_public_is_forbidden(address):
    assert allowed(ip_address(address)) is False


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "127.0.0.1", "fd00::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::10.0.0.1", "8.8.8.8"],
)
def test_the_operators_networks_are_allowed_in_every_form(address):
    assert allowed(ip_address(address), LAN) is True


@pytest.mark.parametrize("address", ["192.168.0.1", "::1", "2002:a00:1::1", "fd00::1%eth0", "::10.0.0.1", "fe80::1"])
def test_what_the_operator_has_not_opened_stays_forbidden(address):
    assert allowed(ip_address(address), LAN) is False


def test_a_mapped_address_may_also_be_opened_by_its_own_network():
    assert allowed(ip_address("::ffff:10.0.0.1"), [IPv6Network("::ffff:10.0.0.0/104")]) is True


def test_opening_everything_still_refuses_scope_ids():
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))

    assert allowed(ip_address("169.254.169.254"), everything) is True
    assert allowed(ip_address("fe80::1%eth0"), everything) is False


@pytest.mark.parametrize(
    ("expected", "address", "scheme"),
    [
        (True, "8.8.8.8", "https"),
        (False, "8.8.8.8", "http"),
        (True, "10.0.0.1", "https"),
        (True, "10.0.0.1", "http"),
        (True, "::ffff:10.0.0.1", "http"),
        (False, "::ffff:8.8.8.8", "http"),
        (False, "2606:4700::1", "http"),
        (False, "192.168.0.1", "http"),
        (False, "fd00::1%eth0", "http"),
    ],
)
def test_http_is_spoken_in_the_operators_networks_only(expected, address, scheme):
    assert expected is may_connect(ip_address(address), LAN, scheme=scheme)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_each_form_that_carries_it(address):
    forms = [ip_address(f"::ffff:{address}"), ip_address(f"64:ff9b::{address}")]

    assert [allowed(address)] * 2 == [allowed(form) for form in forms]
    assert [allowed(address, LAN)] * 2 == [allowed(form, LAN) for form in forms]


@pytest.mark.parametrize(
    ("expected", "url"),
    [
        (("https", "example.com", 443, "/", None), "https://example.com"),
        (("https", "example.com", 8443, "/a/b?c=d&e", None), "HTTPS://Example.COM.:8443/a/b?c=d&e#part"),
        (("https", "xn--bcher-kva.example", 443, "/%C3%BC?%C3%A4", None), "https://bücher.example/ü?ä"),
        (("https", "example.com", 443, "/a%2Fb", None), "https://example.com/a%2Fb"),
        (("https", "example.com", 443, "/?x", None), "https://example.com?x"),
        (("https", "8.8.8.8", 443, "/", "8.8.8.8"), "https://8.8.8.8/"),
        (("https", "8.8.8.8", 443, "/", "8.8.8.8"), "https://８.８。８.８/"),  # noqa: RUF001 (that is the point)
        (("https", "2606:4700::1", 443, "/", "2606:4700::1"), "https://[2606:4700:0::1]/"),
        (("https", "hooks", 443, "/", None), "https://hooks/"),
        (("https", "my_hooks.example", 443, "/", None), "https://my_hooks.example/"),
    ],
)
def test_a_url_is_taken_apart_into_what_is_connected_to(expected, url):
    scheme, host, port, path, address = expected
    parsed = ip_address(address) if address else None

    assert Target(scheme=scheme, host=host, port=port, path=path, address=parsed) == check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "https:",
        "https://",
        "https:///path",
        "https://:443/",
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "gopher://example.com:25/_HELO",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://@example.com/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:-1/",
        "https://example.com:x/",
        "https://exa mple.com/",
        "https://example.com/a b",
        "https://example.com/\r\nHost: inside",
        "https://example.com/\t",
        "https://example.com/\x00",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/\ud800",
        "https://exam\u00adple..com/",
        "https://-example.com/",
        "https://" + "a" * 64 + ".example/",
        "https://example.com/" + "a" * MAX_URL,
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.1/",
        "https://127.0.1/",
        "https://0/",
        "https://0x/",
        "https://00/",
        "https://1.2.3.4.5/",
        "https://256.256.256.256/",
        "https://8.8.8.08/",
        "https://example.1/",
        "https://127.0.0.1/",
        "https://127.0.0.1./",
        "https://１２７.0.0.1/",  # noqa: RUF001 (that is the point)
        "https://127。0。0。1/",
        "https://①②⑦.0.0.1/",
        "https://[::]/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[2606:4700::1%25eth0]/",
        "https://[::1/",
        "https://::1/",
        "https://[v1.x]/",
        "https://[example.com]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/",
        "https://10.0.0.1:8443/",
    ],
)
def test_a_url_that_must_not_be_asked_is_refused(url):
    with pytest.raises(ForbiddenTarget):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://127.0.0.1:8080/hook",
        "http://name.example/",
        "http://[fd00::1]/",
        "https://10.1.1.1/",
    ],
)
def test_the_operators_networks_may_be_named_by_http_too(url):
    assert url.partition(":")[0] == check_url(url, LAN).scheme


@pytest.mark.parametrize("url", ["http://8.8.8.8/", "http://192.168.0.1/", "http://2130706433/", "https://[::1]/"])
def test_an_open_network_opens_no_other_address(url):
    with pytest.raises(ForbiddenTarget):
        check_url(url, LAN)


@given(st.text(max_size=60).map("https://".__add__))
def test_no_text_raises_anything_but_a_refusal(url):
    with suppress(ForbiddenTarget):
        target = check_url(url)

        assert target.path.isascii()
        assert target.host.isascii()
