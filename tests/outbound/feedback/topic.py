"""A topic of SNS of the test's own: it signs what it posts, and is asked for its certificate and to begin."""

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from relay.errors import SnsUnreachable

ARN = "arn:aws:sns:eu-west-1:123456789012:mails"
HOST = "https://sns.eu-west-1.amazonaws.com"
CERTIFICATE_URL = f"{HOST}/SimpleNotificationService-0123abcd.pem"
NOW = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
_SIGNED = {
    "Notification": "Message MessageId Subject Timestamp TopicArn Type",
    "SubscriptionConfirmation": "Message MessageId SubscribeURL Timestamp Token TopicArn Type",
    "UnsubscribeConfirmation": "Message MessageId SubscribeURL Timestamp Token TopicArn Type",
}


@cache
def rsa_key(which="the topic's"):
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key=None, *, begins=NOW - timedelta(days=1), ends=NOW + timedelta(days=300)):
    key = key or rsa_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(7).not_valid_before(begins).not_valid_after(ends)
    return made.sign(key, SHA256())


def pem(made):
    return made.public_bytes(Encoding.PEM)


def elliptic_certificate():
    return certificate(ec.generate_private_key(ec.SECP256R1()))


def subscribe_url(*, action="ConfirmSubscription", topic=ARN, token="2336"):
    return f"{HOST}/?Action={action}&TopicArn={quote(topic, safe=':')}&Token={token}"


def unsigned(kind="Notification", message="{}", **changes):
    fields = {
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": ARN,
        "Message": message,
        "Timestamp": "2026-11-23T15:16:59.719Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": f"{HOST}/?Action=Unsubscribe",
    }
    if kind != "Notification":
        fields |= {"SubscribeURL": subscribe_url(), "Token": "2336"}
    return {name: value for name, value in (fields | changes).items() if value is not None}


def signed(kind="Notification", message="{}", *, key=None, **changes):
    """The fields of a message; a change to None takes a field away, and all are signed as they are then."""
    fields = unsigned(kind, message, **changes)
    names = [name for name in _SIGNED.get(kind, "").split() if name in fields]
    told = "".join(f"{name}\n{fields[name]}\n" for name in names).encode()
    algorithm = SHA1() if fields.get("SignatureVersion") == "1" else SHA256()
    signature = (key or rsa_key()).sign(told, PKCS1v15(), algorithm)
    return {"Signature": base64.b64encode(signature).decode(), **fields}


def posted(kind="Notification", message="{}", **changes):
    """The body that SNS posts."""
    return json.dumps(signed(kind, message, **changes)).encode()


class FakeSns:
    """Has the certificate of the topic alone, and notes what it is asked to begin."""

    def __init__(self, known=None):
        self.known = {CERTIFICATE_URL: certificate()} if known is None else known
        self.asked = []
        self.begun = []
        self.is_down = False

    async def certificate(self, url):
        self.asked.append(url)
        if self.is_down or url not in self.known:
            raise SnsUnreachable
        return self.known[url]

    async def confirm(self, url):
        if self.is_down:
            raise SnsUnreachable
        self.begun.append(url)
