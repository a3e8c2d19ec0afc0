"""Sockets and the names of peers."""

import socket
from ipaddress import ip_address

import pytest

from relay.errors import ListenAddressBusy, Misconfigured
from relay.mail.envelope import peer_ip
from relay.smtp.listen import bind


def test_port_0_takes_a_free_one_for_each_host():
    sockets = bind([("127.0.0.1", 0), ("localhost", 0)])
    ports = {listener.getsockname()[1] for listener in sockets}
    for listener in sockets:
        listener.close()

    assert 2 == len(ports - {0})


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenAddressBusy, match=f"127.0.0.1:{port}: Address already in use"):
            bind([("127.0.0.1", 0), ("127.0.0.1", port)])


def test_a_host_that_is_no_host_is_named():
    with pytest.raises(Misconfigured, match=r"no\.such\.host\.invalid"):
        bind([("no.such.host.invalid", 0)])


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(("hosts", "both"), [([("::", 0)], True), ([("::", 0), ("0.0.0.0", 0)], False)])
def test_all_of_ipv6_is_all_of_ipv4_too_unless_that_is_asked_for(hosts, both):
    sockets = bind(hosts)
    only6 = sockets[0].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    for listener in sockets:
        listener.close()

    assert both == (not only6)


@pytest.mark.parametrize(
    ("name", "ip"),
    [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("::1", "::1")],
)
def test_a_peer_is_named_by_its_plain_address(name, ip):
    assert ip_address(ip) == peer_ip(name)
