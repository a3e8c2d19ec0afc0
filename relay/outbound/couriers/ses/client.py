"""The boto3 client of an SES account: API v2, one request a call and no retry.

Importing this imports boto3, which takes half a second: only modules that are used with SES import it.
"""

from functools import partial
from typing import Any, Final

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import HTTPClientError, NoRegionError

from relay.errors import Misconfigured
from relay.metrics import CountBound, uncounted_bound
from relay.outbound.couriers.bounded_answer import AnswerTooLong, BoundedResponse

MAX_ANSWER: Final = 64 * 1024  # bytes of a body; SES answers with some hundred


def ses_client(
    *,
    region: str | None,
    endpoint_url: str | None,
    connect_seconds: float,
    read_seconds: float,
    connections: int = 1,
    count: CountBound = uncounted_bound,
) -> Any:
    """A client with boto3's own credentials, and its region where *region* is None. Raises Misconfigured for none.

    An answer has *read_seconds* in all. *count* is called with the name of a bound that an answer reaches.
    """
    # A retry by botocore would follow a lost answer too, and send the message a second time:
    # total_max_attempts counts the first, max_attempts (which does not) would allow one more.
    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        max_pool_connections=connections,
    )
    session = boto3.session.Session()
    try:
        client = session.client("sesv2", region_name=region, endpoint_url=endpoint_url, config=config)
    except NoRegionError as error:
        raise Misconfigured("MAILSEAL_SES_REGION: SES needs a region: set it, or AWS_REGION") from error
    endpoint = client._endpoint  # noqa: SLF001 (botocore has no setting for the size of an answer)
    _bound_heads(endpoint.http_session, count)
    endpoint.http_session = _BoundedSession(endpoint.http_session, count)
    return client


def _bound_heads(session: Any, count: CountBound) -> None:
    """Have the connections of botocore's HTTP *session* make a BoundedResponse of each answer."""
    pools = session._pool_classes_by_scheme  # noqa: SLF001 (shared by its pools, those of proxies too)
    for scheme, pool in pools.items():
        response = partial(BoundedResponse, count=count)
        connection = type("BoundedConnection", (pool.ConnectionCls,), {"response_class": response})
        pools[scheme] = type("BoundedPool", (pool,), {"ConnectionCls": connection})


class _BoundedSession:
    """botocore's HTTP session, but no more than MAX_ANSWER bytes of an answer's body are read."""

    def __init__(self, session: Any, count: CountBound) -> None:
        self._session = session
        self._count = count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Send *request* and read the answer. Raises HTTPClientError, also for an answer that is too long."""
        request.stream_output = True  # otherwise the session reads the whole body
        answer = self._session.send(request)
        try:
            body = _read(answer.raw)
        except Exception as error:  # of urllib3, which only botocore's session would translate
            answer.raw.close()
            if isinstance(error, AnswerTooLong) or isinstance(error.__context__, AnswerTooLong):
                self._count("ses_answer_body")
            raise HTTPClientError(error=error) from error
        answer._content = body  # noqa: SLF001 (its only place)
        return answer


def _read(raw: Any) -> bytes:
    """The body of the answer *raw* of urllib3. Raises AnswerTooLong, and urllib3's errors."""
    body = bytearray()
    for part in raw.stream(MAX_ANSWER):
        body += part
        if len(body) > MAX_ANSWER:
            raise AnswerTooLong(f"the answer has more than {MAX_ANSWER} bytes")
    return bytes(body)
