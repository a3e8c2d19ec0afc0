"""The courier that the operator chose."""

from relay.outbound.couriers.courier import Courier
from relay.outbound.couriers.senders import AskProvider
from relay.outbound.couriers.smarthost import Smarthost, SmarthostCourier
from relay.settings import Settings, smarthost_password


def make_courier(settings: Settings) -> Courier | None:
    """None where nothing is sent out of this relay. Raises Misconfigured for a password that cannot be read."""
    if settings.outbound == "ses":
        from relay.outbound.couriers.ses.courier import SesCourier  # noqa: PLC0415 (boto3 is dear, and most relays do without)

        return SesCourier(
            region=settings.ses_region,
            endpoint_url=settings.ses_endpoint_url,
            configuration_set=settings.ses_configuration_set,
        )
    smarthost = make_smarthost(settings)
    return SmarthostCourier(smarthost) if smarthost else None


def make_smarthost(settings: Settings) -> Smarthost | None:
    """None where mail does not leave by one. Raises Misconfigured for a password that cannot be read."""
    if settings.outbound != "smtp" or settings.smtp_out_host is None:
        return None
    return Smarthost(
        host=settings.smtp_out_host,
        port=settings.smtp_out_port,
        hostname=settings.hostname,
        tls=settings.smtp_out_tls,
        username=settings.smtp_out_username,
        password=smarthost_password(settings),
    )


def make_identity_check(settings: Settings) -> AskProvider | None:
    """Who says whether mail may leave from a domain; None where each is just tried. Raises Misconfigured."""
    if settings.outbound != "ses":
        return None
    from relay.outbound.couriers.ses.account import ask_identity  # noqa: PLC0415 (boto3 is dear)

    return ask_identity(region=settings.ses_region, endpoint_url=settings.ses_endpoint_url)
