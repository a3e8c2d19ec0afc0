"""The row of the smarthost courier: settings, doctor check and DNS records of MAILSEAL_OUTBOUND=smtp."""

# ruff: noqa: PLC0415 (a row imports its courier when it is used)

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from relay.dns.sending_records import OWN_HOSTS
from relay.errors import CourierBusy, Misconfigured, Refused
from relay.finding import Finding, failing, ok
from relay.outbound.couriers.courier_kind import CourierKind, DomainSetup
from relay.settings import Settings, smarthost_password

if TYPE_CHECKING:
    from relay.metrics import CountBound
    from relay.outbound.couriers.courier import Courier
    from relay.outbound.couriers.smarthost import Smarthost

_SECONDS: Final = 10.0  # the longest that one answer may take
_ANSWERS: Final = {"starttls": "answers by STARTTLS", "tls": "answers by TLS", "none": "answers in clear"}


def make_smarthost(settings: Settings) -> "Smarthost":
    """The host of the settings. Raises Misconfigured for a password that cannot be read."""
    from relay.outbound.couriers.smarthost import Smarthost

    assert settings.smtp_out_host is not None, "the registry has checked it"
    return Smarthost(
        host=settings.smtp_out_host,
        port=settings.smtp_out_port,
        hostname=settings.hostname,
        tls=settings.smtp_out_tls,
        username=settings.smtp_out_username,
        password=smarthost_password(settings),
    )


def _make(settings: Settings, count: "CountBound") -> "Courier":
    from relay.outbound.couriers.smarthost import SmarthostCourier

    return SmarthostCourier(make_smarthost(settings), count=count)


async def _check(settings: Settings, domains: Sequence[str]) -> list[Finding]:
    import asyncio
    from dataclasses import replace

    from relay.outbound.couriers.smarthost import sign_in

    del domains  # the host says for none of them whether it sends
    where = f"{settings.smtp_out_host}:{settings.smtp_out_port}"
    try:
        smarthost = make_smarthost(settings)
        await asyncio.to_thread(sign_in, replace(smarthost, seconds=_SECONDS))
    except Misconfigured as error:
        return [failing("smarthost", str(error), "Set it.")]
    except CourierBusy as error:
        remedy = "Check MAILSEAL_SMTP_OUT_…; mail stays queued until the smarthost answers."
        return [failing("smarthost", f"{error} ({where})", remedy)]
    return [ok("smarthost", f"{where} {_ANSWERS[smarthost.tls]}{' and let us in' if smarthost.username else ''}")]


def _set_up_domain(settings: Settings, domain: str) -> DomainSetup:
    del settings
    raise Refused(
        f"MAILSEAL_OUTBOUND is smtp: the smarthost signs the mail, so ask its operator to accept and sign mail of "
        f"{domain}; `mailseal domain show {domain} --sending` lists the other records"
    )


SMARTHOST: Final = CourierKind(
    name="smtp",
    needs=("smtp_out_host",),
    make=_make,
    records=OWN_HOSTS,
    check=_check,
    set_up_domain=_set_up_domain,
    takes_null_path=True,
    keeps_return_path=True,
)
