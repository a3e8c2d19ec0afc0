"""Default secret in the URL path to which SES (through SNS) posts its events.

Used if the operator sets no MAILSEAL_SES_EVENTS_SECRET. Pure.
"""

import base64

from relay.signing.secrets import MasterKey, mac


def events_secret(master: MasterKey) -> str:
    """An unguessable path segment, derived from the master key; always the same."""
    return base64.urlsafe_b64encode(mac(master.links, b"ses events")).rstrip(b"=").decode("ascii")
