"""The courier that the operator chose."""

from relay.outbound.courier import Courier
from relay.outbound.smarthost import Smarthost, SmarthostCourier
from relay.settings import Settings, smarthost_password


def choose_courier(settings: Settings) -> Courier | None:
    """None where nothing is sent out of this relay. Raises Misconfigured for a password that cannot be read."""
    if settings.outbound == "ses":
        from relay.outbound.ses import SesCourier  # noqa: PLC0415 (boto3 is dear, and most relays do without)

        return SesCourier(
            region=settings.ses_region,
            endpoint_url=settings.ses_endpoint_url,
            configuration_set=settings.ses_configuration_set,
        )
    if settings.outbound == "smtp" and settings.smtp_out_host:
        return SmarthostCourier(
            Smarthost(
                host=settings.smtp_out_host,
                port=settings.smtp_out_port,
                hostname=settings.hostname,
                tls=settings.smtp_out_tls,
                username=settings.smtp_out_username,
                password=smarthost_password(settings),
            )
        )
    return None
