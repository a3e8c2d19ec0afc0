"""What an answer of SES that is no success means for the mail.

Only what says that it was not taken counts as not taken. A server error that names no reason may come
from behind the point of acceptance, so it leaves the mail in doubt.
"""

from typing import Final

from relay.errors import CourierBusy, CourierRefused
from store.errors import SendUnconfirmed

_MAX_WORDS: Final = 500

# The account or the operator's settings, not the mail: it waits until somebody has mended that.
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
    """The error to raise for an answer with HTTP *status*, whose body names *code* and says *words*."""
    told = f"SES: {_line(code)}: {_line(words)}"
    if code in _LATER or status == _TOO_MANY:
        return CourierBusy(told, seconds=1)
    if 400 <= status < 500:
        return CourierRefused(told)
    return SendUnconfirmed(f"SES may have the mail: {status} {_line(code)}: {_line(words)}")


def _line(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text[:_MAX_WORDS]).strip()
