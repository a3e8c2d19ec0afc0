"""What an error answer of SES means for the message: refused, to be tried later, or unconfirmed.

Only an answer that says that SES did not take the message counts as not taken. A server error without a reason may
come from behind the point of acceptance, so the message becomes unconfirmed.
"""

from typing import Final

from relay.errors import CourierBusy, CourierRefused
from store.errors import SendUnconfirmed

_MAX_WORDS: Final = 500

# About the account or the operator's settings, not the message: it waits until the operator has corrected them.
_LATER: Final = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "AccountSuspendedException", "ExpiredTokenException",
        "IncompleteSignature", "IncompleteSignatureException", "InvalidClientTokenId", "InvalidSignatureException",
        "LimitExceededException", "MissingAuthenticationTokenException", "NotAuthorized", "NotFoundException",
        "OptInRequired", "RequestExpired", "RequestThrottled", "SendingPausedException", "ServiceUnavailable",
        "ServiceUnavailableException", "SignatureDoesNotMatch", "SlowDown", "Throttling", "ThrottlingException",
        "TooManyRequestsException", "UnrecognizedClientException",
    }
)  # fmt: skip
_TOO_MANY: Final = 429


def meaning(code: str, words: str, status: int) -> CourierBusy | CourierRefused | SendUnconfirmed:
    """The error to raise for an answer with HTTP *status* whose body has the error *code* and the message *words*."""
    said = f"SES: {_line(code)}: {_line(words)}"
    if code in _LATER or status == _TOO_MANY:
        return CourierBusy(said, seconds=1)
    if 400 <= status < 500:
        return CourierRefused(said)
    return SendUnconfirmed(f"SES may have the mail: {status} {_line(code)}: {_line(words)}")


def _line(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text[:_MAX_WORDS]).strip()
