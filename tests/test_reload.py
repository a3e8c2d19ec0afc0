"""Which settings a reload changes, and which wait for a restart."""

from pathlib import Path

from relay.reload import RELOADED, merge_settings
from relay.settings import Settings


def made(**more):
    return Settings(hostname="mx.here.example", **more)


def test_a_setting_that_can_change_is_used_and_named():
    found = merge_settings(made(), made(log_level="debug", max_recipients=7))

    assert ("MAILSEAL_LOG_LEVEL", "MAILSEAL_MAX_RECIPIENTS") == found.changed
    assert (("debug", 7), ()) == ((found.settings.log_level, found.settings.max_recipients), found.waiting)


def test_a_setting_that_needs_a_restart_keeps_its_value_and_is_named():
    found = merge_settings(made(), made(max_connections=7, outbound="ses"))

    assert ((), ("MAILSEAL_MAX_CONNECTIONS", "MAILSEAL_OUTBOUND")) == (found.changed, found.waiting)
    assert made() == found.settings


def test_other_certificates_are_taken_but_whether_tls_is_offered_waits_for_a_restart():
    one, other = ({"tls_cert_file": Path(name), "tls_key_file": Path(name)} for name in ("/a.pem", "/b.pem"))

    assert ("MAILSEAL_TLS_CERT_FILE", "MAILSEAL_TLS_KEY_FILE") == merge_settings(made(**one), made(**other)).changed
    for before, after in ((made(), made(**one)), (made(**one), made())):
        found = merge_settings(before, after)
        assert ("MAILSEAL_TLS_CERT_FILE", "MAILSEAL_TLS_KEY_FILE") == found.waiting
        assert before == found.settings


def test_each_setting_that_can_change_exists():
    assert set(Settings.model_fields) >= RELOADED
