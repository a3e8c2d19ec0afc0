"""The certificate as it is found."""

from datetime import timedelta

import pytest
import trustme

from relay.checkup.certificate import check_certificate
from relay.settings import Settings

HOST = "mx.here.example"


@pytest.fixture
def made(tmp_path, clock):
    """Settings with a certificate for these names that ends in so many days, by the clock."""

    def make(*names, days=90.0):
        issued = trustme.CA().issue_cert(*names, not_after=clock.now() + timedelta(days=days))
        certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        return Settings(tls_cert_file=certificate, tls_key_file=key, hostname=HOST, data_dir=tmp_path)

    return make


def states(settings, clock):
    return [each.state for each in check_certificate(settings, now=clock.now())]


@pytest.mark.parametrize("names", [(HOST,), ("other.example", HOST), ("*.here.example",)])
def test_one_for_this_host_and_in_force_is_ok(made, clock, names):
    assert ["ok", "ok"] == states(made(*names), clock)


@pytest.mark.parametrize(("days", "state"), [(21.5, "ok"), (20.5, "warning"), (0.1, "warning"), (-1, "failing")])
def test_its_end_is_told_three_weeks_ahead(made, clock, days, state):
    assert ["ok", state] == states(made(HOST, days=days), clock)


def test_one_that_is_not_in_force_yet_fails(made, clock):
    settings = made(HOST)
    clock.advance(days=-365 * 40)

    assert ["ok", "failing"] == states(settings, clock)


@pytest.mark.parametrize("name", ["other.example", "*.example", "*.mx.here.example"])
def test_one_for_another_host_is_said(made, clock, name):
    assert ["warning", "ok"] == states(made(name), clock)


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\0"])
@pytest.mark.parametrize("which", ["tls_cert_file", "tls_key_file"])
def test_files_that_are_none_fail(made, clock, which, content):
    settings = made(HOST)
    (file,) = getattr(settings, which)
    file.unlink() if content is None else file.write_bytes(content)

    assert ["failing"] == states(settings, clock)


def test_a_key_of_another_certificate_fails(made, clock, tmp_path):
    settings = made(HOST)
    trustme.CA().issue_cert(HOST).private_key_pem.write_to_path(str(tmp_path / "key.pem"))

    assert ["failing"] == states(settings, clock)


def test_each_of_two_certificates_is_looked_at(made, clock, tmp_path):
    settings = made(HOST, days=5)
    issued = trustme.CA().issue_cert("other.example", not_after=clock.now() + timedelta(days=90))
    second = tmp_path / "second.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(str(second))
    both = settings.model_copy(
        update={
            "tls_cert_file": (*settings.tls_cert_file, second),
            "tls_key_file": (*settings.tls_key_file, second),
        }
    )

    assert ["ok", "warning", "warning", "ok"] == states(both, clock)


def test_none_at_all_is_said(clock, tmp_path):
    assert ["warning"] == states(Settings(hostname=HOST, data_dir=tmp_path), clock)
