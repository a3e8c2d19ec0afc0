"""Limits of the SMTP server and the HTTP server, from the settings."""

from typing import Final

from relay.limits.table import SharedTable
from relay.settings import Settings
from relay.smtp.limits import Limits
from relay.web.http.limits import ApiLimits

_NAMES: Final = 16_384  # peers, keys and users that hold something at the same time
_BUCKETS: Final = 32_768  # of peers, keys and users whose rate is remembered


def make_smtp_limits(settings: Settings) -> Limits:
    """The limits of the SMTP server."""
    return Limits(
        max_message_bytes=settings.max_message_bytes,
        max_recipients=settings.max_recipients,
        max_connections=settings.max_connections,
        max_connections_per_peer=settings.max_connections_per_peer,
        max_commands=settings.smtp_max_commands,
        max_errors=settings.smtp_max_errors,
        data_line_bytes=settings.max_line_bytes,
        idle_seconds=settings.smtp_idle_seconds,
        data_seconds=settings.smtp_data_seconds,
        max_junk=settings.smtp_max_junk,
        delay_after_errors=settings.smtp_delay_after_errors,
        error_delay_seconds=settings.smtp_error_delay_seconds,
        connections_per_minute=settings.smtp_connections_per_minute,
        mails_per_minute=settings.smtp_mails_per_minute,
        max_inflight_bytes=settings.smtp_max_bytes_in_flight,
        data_rate=settings.smtp_least_data_rate,
        crowded_idle_seconds=settings.smtp_crowded_idle_seconds,
        banner_wait_seconds=settings.smtp_banner_wait_seconds,
        null_path_recipients=settings.smtp_null_path_recipients,
        log_lines_per_minute=settings.smtp_log_lines_per_peer,
    )


def make_api_limits(settings: Settings) -> ApiLimits:
    """The limits of the HTTP server."""
    return ApiLimits(
        rate_per_key=settings.api_rate_per_key,
        rate_per_user=settings.api_rate_per_user,
        failed_keys_per_peer=settings.api_failed_keys_per_peer,
        max_body_bytes=settings.api_max_body_bytes,
        request_seconds=settings.api_request_seconds,
        max_connections=settings.api_max_connections,
        max_connections_per_peer=settings.api_max_connections_per_peer,
        waits_per_key=settings.api_waits_per_key,
        waits_per_user=settings.api_waits_per_user,
        max_bytes_in_flight=settings.api_max_bytes_in_flight,
        trusted_proxies=settings.http_trusted_proxies,
    )


def make_table(settings: Settings, *, processes: int) -> SharedTable:
    """Memory for the counts behind all limits, shared by *processes*."""
    connections = settings.max_connections + settings.api_max_connections
    return SharedTable(processes=processes, names=max(_NAMES, 4 * connections), buckets=_BUCKETS)
