"""Which settings change at SIGHUP, while the daemon runs, and which need a restart. Pure."""

from dataclasses import dataclass
from typing import Final

from relay.settings import PREFIX, Settings

RELOADED: Final = frozenset(
    {
        "log_level",
        "tls_cert_file",
        "tls_key_file",
        "webhook_allow_cidrs",
        "max_recipients",
        "smtp_idle_seconds",
        "smtp_data_seconds",
        "smtp_max_commands",
        "smtp_max_errors",
        "smtp_max_junk",
        "smtp_delay_after_errors",
        "smtp_error_delay_seconds",
        "smtp_least_data_rate",
        "smtp_crowded_idle_seconds",
        "smtp_banner_wait_seconds",
        "smtp_null_path_recipients",
    }
)
_TLS: Final = frozenset({"tls_cert_file", "tls_key_file"})


@dataclass(frozen=True, slots=True)
class Reload:
    """What a reload of the settings comes to."""

    settings: Settings  # those in use from now on
    changed: tuple[str, ...]  # names of variables whose new value is used
    waiting: tuple[str, ...]  # names of variables whose new value needs a restart


def merge_settings(current: Settings, new: Settings) -> Reload:
    """The settings in use after a reload: *current*, with those of *new* that can change.

    Whether TLS is offered at all needs a restart: clients that were offered it may be about to begin.
    """
    reloaded = RELOADED if bool(current.tls_cert_file) == bool(new.tls_cert_file) else RELOADED - _TLS
    differing = sorted(name for name in Settings.model_fields if getattr(current, name) != getattr(new, name))
    changed = {name: getattr(new, name) for name in differing if name in reloaded}
    return Reload(
        settings=current.model_copy(update=changed),
        changed=tuple(PREFIX + name.upper() for name in changed),
        waiting=tuple(PREFIX + name.upper() for name in differing if name not in changed),
    )
