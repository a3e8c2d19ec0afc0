"""The certificate in use, and its files that change under it."""

import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.errors import Misconfigured
from relay.smtp.tls import Certificates, SmallTls


def replace(file: Path, content: bytes) -> None:
    new = file.with_suffix(".new")
    new.write_bytes(content)
    new.replace(file)


def another(authority) -> bytes:
    return authority.issue_cert("mx2.here.example").private_key_and_cert_chain_pem.bytes()


def test_the_context_stays_while_the_files_do(certificates):
    assert certificates.current() is certificates.current()


def test_old_tls_is_not_spoken(certificates):
    assert ssl.TLSVersion.TLSv1_2 == certificates.current().minimum_version


def test_a_new_certificate_is_a_new_context(certificates, pem, authority):
    before = certificates.current()
    replace(pem, another(authority))
    with capture_logs() as logs:
        after = certificates.current()

    assert before is not after
    assert after is certificates.current()
    assert ["certificate_renewed"] == [line["event"] for line in logs]


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_broken_certificate_keeps_the_old_context_and_is_told_once(certificates, pem, content):
    before = certificates.current()
    replace(pem, content)
    with capture_logs() as logs:
        assert before is certificates.current()
        assert before is certificates.current()

    assert [("certificate_renewal_failed", "error")] == [(line["event"], line["log_level"]) for line in logs]


def test_a_key_of_another_certificate_keeps_the_old_context(authority, tmp_path, pem):
    key = tmp_path / "key.pem"
    key.write_bytes(pem.read_bytes())
    certificates = Certificates([pem], [key])
    before = certificates.current()
    replace(key, another(authority))

    assert before is certificates.current()


def test_a_missing_file_keeps_the_old_context(certificates, pem):
    before = certificates.current()
    pem.unlink()

    assert before is certificates.current()


def test_a_mended_certificate_is_taken(certificates, pem, authority):
    before = certificates.current()
    replace(pem, b"junk")
    certificates.current()
    replace(pem, another(authority))

    assert before is not certificates.current()


@pytest.mark.parametrize("content", [None, b"junk"])
def test_a_start_without_a_certificate_that_loads_is_misconfigured(tmp_path, content):
    file = tmp_path / "missing.pem"
    if content:
        file.write_bytes(content)

    with pytest.raises(Misconfigured, match=r"missing\.pem"):
        Certificates([file], [file])


def test_a_tls_connection_keeps_a_small_buffer():
    assert 16 * 1024 == SmallTls.max_size
