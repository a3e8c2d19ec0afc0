"""Check the TLS certificates of the SMTP server: readable, a pair with the key, for our hostname, valid now."""

import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from relay.finding import Finding, failing, ok, warning
from relay.settings import Settings

SOON: Final = timedelta(days=21)
NAME: Final = "certificate"


def check_certificate(settings: Settings, *, now: datetime) -> list[Finding]:
    """Check each certificate of the settings at the time *now*."""
    pairs = list(zip(settings.tls_cert_file, settings.tls_key_file, strict=True))
    if not pairs:
        remedy = "Set MAILSEAL_TLS_CERT_FILE and MAILSEAL_TLS_KEY_FILE: until then mail arrives unencrypted."
        return [warning(NAME, "no certificate is set, so the SMTP server offers no STARTTLS", remedy)]
    return [finding for certificate, key in pairs for finding in _check(certificate, key, settings.hostname, now)]


def _check(file: Path, key: Path, hostname: str, now: datetime) -> list[Finding]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file, key, password=_no_password)
        certificate = x509.load_pem_x509_certificates(file.read_bytes())[0]
    except (OSError, ssl.SSLError, ValueError, IndexError) as error:
        return [failing(NAME, f"{file} with {key}: {_why(error)}", _pair_remedy(file))]
    return [_names(certificate, hostname), _term(certificate, now)]


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # OpenSSL would ask for the password on the terminal


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not a certificate and its key"
    return getattr(error, "strerror", None) or str(error)


def _pair_remedy(file: Path) -> str:
    return f"Give the daemon a PEM chain and its unencrypted key, both readable by its user (see {file})."


def _names(certificate: x509.Certificate, hostname: str) -> Finding:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]
    except (x509.ExtensionNotFound, ValueError):
        names = []
    parent = "*." + hostname.partition(".")[2]
    seen = f"it is for {', '.join(names[:5]) or 'no name'}"
    if hostname in names or parent in names:
        return ok("certificate's names", seen)
    return warning(
        "certificate's names",
        seen,
        f"Get a certificate for {hostname}: senders that require it do not deliver (RFC 8461).",
    )


def _term(certificate: x509.Certificate, now: datetime) -> Finding:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    renew = "Renew it; the daemon loads the new one when the files change."
    if now >= end:
        return failing("certificate's term", f"it ended {end:%Y-%m-%d}", renew)
    if now < start:
        return failing("certificate's term", f"it begins {start:%Y-%m-%d}", "Check this machine's clock.")
    if end - now < SOON:
        return warning("certificate's term", f"it ends {end:%Y-%m-%d}", renew)
    return ok("certificate's term", f"until {end:%Y-%m-%d}")
