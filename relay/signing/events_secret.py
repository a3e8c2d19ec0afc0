"""What stands in the path that a provider posts its events to, where the operator has chosen nothing. Pure."""

import base64

from relay.signing.secrets import MasterKey, mac


def events_secret(master: MasterKey) -> str:
    """A word that only this relay and whoever its operator tells can know; the same each time."""
    return base64.urlsafe_b64encode(mac(master.links, b"ses events")).rstrip(b"=").decode("ascii")
