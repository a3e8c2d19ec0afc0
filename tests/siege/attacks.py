"""The table of attacks: what each does, and the bounds that it meets."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tests.siege import by_mail, by_webhook, over_http, over_smtp
from tests.siege.aim import Aim


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack, and the bounds of which at least one must be counted."""

    run: Callable[[Aim], Awaitable[None]]
    bounds: tuple[str, ...]  # names of mailseal_bounds_total, or another sample of /metrics as it is written there
    seconds: float = 0  # the least time until the bound is reached

    @property
    def name(self) -> str:
        """Its name in tables."""
        return self.run.__name__

    @property
    def does(self) -> str:
        """What it does, in a sentence."""
        return (self.run.__doc__ or "").strip()


_TLS_FAILED: Final = 'mailseal_smtp_tls_total{result="failed",version=""}'
_ALL: Final = (
    Attack(run=over_smtp.one_address, bounds=("smtp_connections_per_peer", "smtp_connection_rate")),
    Attack(run=over_smtp.all_places, bounds=("smtp_connections_dropped", "smtp_connections")),
    Attack(run=over_smtp.silence_in_data, bounds=("smtp_data_rate",), seconds=64),
    Attack(run=over_smtp.unfinished, bounds=("smtp_mail_bytes_per_peer",)),
    Attack(run=over_smtp.one_octet, bounds=("smtp_data_rate",), seconds=64),
    Attack(run=over_smtp.unknown_commands, bounds=("smtp_errors", "smtp_error_delay")),
    Attack(run=over_smtp.noops, bounds=("smtp_commands",)),
    Attack(run=over_smtp.endless_line, bounds=("smtp_command_bytes",)),
    Attack(run=over_smtp.recipients, bounds=("smtp_recipients", "smtp_log_lines")),
    Attack(run=over_smtp.unknown_recipients, bounds=("smtp_error_delay", "smtp_log_lines")),
    Attack(run=over_smtp.large_chunks, bounds=("smtp_mail_size",)),
    Attack(run=over_smtp.handshakes, bounds=(_TLS_FAILED, "smtp_connection_rate")),
    Attack(run=over_smtp.many_mails, bounds=("smtp_mail_rate", 'mailseal_mails_total{outcome="accepted"}')),
    Attack(run=by_mail.many_fields, bounds=("smtp_header",)),
    Attack(run=by_mail.large_header, bounds=("smtp_header",)),
    Attack(run=by_mail.costly_headers, bounds=("smtp_header", 'mailseal_mails_total{outcome="accepted"}')),
    Attack(run=by_mail.hostile_parts, bounds=('mailseal_mails_total{outcome="accepted"}',)),
    Attack(run=by_mail.silent_signatures, bounds=("dns_silent_zone", "dns_mail", "dns_peer")),
    Attack(run=by_mail.silent_nameservers, bounds=("dns_mail", "dns_peer", "dns_slow_query", "dns_waiting")),
    Attack(run=by_mail.large_answers, bounds=("dns_large_answer", "dns_cache")),
    Attack(run=over_http.half_heads, bounds=("http_connections_per_peer",)),
    Attack(run=over_http.half_heads_of_many, bounds=("http_connections",)),
    Attack(run=over_http.large_heads, bounds=("http_head_bytes",)),
    Attack(run=over_http.pipelined, bounds=('mailseal_mails_total{outcome="accepted"}',)),
    Attack(run=over_http.slow_bodies, bounds=("http_time", "http_bytes_of_user"), seconds=36),
    Attack(run=over_http.streams_of_one_key, bounds=("http_waits_of_key",)),
    Attack(run=over_http.streams_of_many_keys, bounds=("http_waits_of_user", "http_waits_of_key")),
    Attack(run=over_http.many_fields_of_json, bounds=("http_json_values",)),
    Attack(run=over_http.hostile_json, bounds=("http_bytes_of_user", "http_json_values")),
    Attack(run=over_http.one_key_without_pause, bounds=("http_rate_of_key",)),
    Attack(run=over_http.without_key, bounds=('mailseal_mails_total{outcome="accepted"}',)),
    Attack(run=over_http.wrong_keys, bounds=("http_rate_of_failed_keys",)),
    Attack(run=over_http.sign_ins, bounds=("http_rate_of_sign_ins",)),
    Attack(run=over_http.leases_of_large_mails, bounds=("http_bytes_of_user",)),
    Attack(run=by_webhook.endless_interim_answers, bounds=("webhook_answer_head",)),
    Attack(run=by_webhook.endless_heads, bounds=("webhook_answer_head",)),
    Attack(run=by_webhook.endless_bodies, bounds=("webhook_answer_body",)),
    Attack(run=by_webhook.slow_answers, bounds=("webhook_time",), seconds=17),
    Attack(run=by_webhook.silent_names, bounds=("dns_peer", "dns_slow_query")),
)
ATTACKS: Final[Mapping[str, Attack]] = MappingProxyType({attack.name: attack for attack in _ALL})
