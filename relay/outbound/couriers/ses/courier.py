"""Hand mail over to Amazon SES: API v2, raw content, exactly one request a mail.

Importing boto3 takes half a second, so relay/outbound/couriers/ses/row.py imports this only when SES is chosen.
"""

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from relay.errors import CourierBusy
from relay.metrics import CountBound, uncounted_bound
from relay.outbound.couriers.handover_threads import AT_ONCE, HandoverThreads
from relay.outbound.couriers.lease_guard import LeaseCheck
from relay.outbound.couriers.quota import Allowance, Quota
from relay.outbound.couriers.ses.client import ses_client
from relay.outbound.couriers.ses.errors import meaning
from relay.outbound.couriers.ses.events import ATTEMPT_TAG
from store.errors import SendUnconfirmed

_CONNECT_SECONDS: Final = 10
_MESSAGE_ID: Final = re.compile(r"[!-~]{1,200}")
_NOT_CONNECTED: Final = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)


class SesCourier:
    """The courier for one SES account in one region.

    Credentials come from boto3's own chain, and so does the region when *region* is None. Raises Misconfigured when
    that chain names no region.
    """

    def __init__(
        self,
        *,
        region: str | None,
        endpoint_url: str | None = None,
        configuration_set: str | None = None,
        seconds: float = 60,
        count: CountBound = uncounted_bound,
    ) -> None:
        self._client = ses_client(
            region=region,
            endpoint_url=endpoint_url,
            connect_seconds=_CONNECT_SECONDS,
            read_seconds=seconds,
            connections=AT_ONCE + 1,  # one more to ask for the quota
            count=count,
        )
        self._configuration_set = configuration_set
        self._quota = Quota()
        self._asking = asyncio.Lock()
        self._threads = HandoverThreads("ses")

    async def carry(
        self,
        raw: bytes,
        *,
        mail_from: str,  # noqa: ARG002
        recipients: Sequence[str],
        attempt_id: str,
        check_lease: LeaseCheck,
    ) -> str:
        """As Courier.carry. *mail_from* is not sent: SES reads From, and uses an envelope sender of its own."""
        async with self._threads.waiting():
            await self._wait_for_quota(len(recipients))
        request: dict[str, Any] = {
            "Destination": {"ToAddresses": list(recipients)},
            "Content": {"Raw": {"Data": raw}},
            "EmailTags": [{"Name": ATTEMPT_TAG, "Value": attempt_id}],
        }
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        return await self._threads.hand_over(partial(self._send, request, check_lease))

    def stop_accepting(self) -> None:
        """As Courier.stop_accepting."""
        self._threads.stop_accepting()

    async def close(self) -> None:
        """As Courier.close."""
        await self._threads.close()
        self._client.close()

    async def _wait_for_quota(self, recipients: int) -> None:
        loop = asyncio.get_running_loop()
        async with self._asking:
            if self._quota.is_stale(loop.time()):
                allowance = await self._threads.run(self._allowance)
                self._quota.learn(allowance, now=loop.time())
            wait = self._quota.take(recipients, now=loop.time())
        await asyncio.sleep(wait)

    def _allowance(self) -> Allowance | None:
        """The account's quota; None when the credentials may not read it, which is a permission apart from sending."""
        try:
            quota = self._client.get_account()["SendQuota"]
            return Allowance(
                a_day=float(quota["Max24HourSend"]),
                a_second=float(quota["MaxSendRate"]),
                sent=float(quota["SentLast24Hours"]),
            )
        except (ClientError, ResponseParserError, KeyError, TypeError, ValueError):
            return None
        except BotoCoreError as error:
            raise CourierBusy(f"SES: {error}") from error

    def _send(self, request: dict[str, Any], check_lease: LeaseCheck) -> str:
        check_lease()  # as late as possible: the mail has waited for the quota and for a thread
        try:
            answer = self._client.send_email(**request)
        except ClientError as error:
            raise _from_answer(error) from error
        except _NOT_CONNECTED as error:
            raise CourierBusy(f"SES: {error}") from error
        except (HTTPClientError, ResponseParserError) as error:
            raise _from_broken_connection(error) from error
        except BotoCoreError as error:  # no credentials, no such region: no request was sent
            raise CourierBusy(f"SES: {error}") from error
        except Exception as error:  # botocore raises any error for an answer that is not JSON of SES
            raise SendUnconfirmed(f"SES may have the mail: its answer cannot be read: {error!r}") from error
        message_id = answer.get("MessageId")
        if not isinstance(message_id, str) or not _MESSAGE_ID.fullmatch(message_id):
            raise SendUnconfirmed(
                "SES may have the mail: its answer has no message id of 1 to 200 printable characters"
            )
        return message_id


def _from_answer(error: ClientError) -> Exception:
    answer = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return meaning(str(answer.get("Code", "")), str(answer.get("Message", "")), status)


def _from_broken_connection(error: Exception) -> CourierBusy | SendUnconfirmed:
    """The error for a connection that broke: before the request only where the certificate was not trusted."""
    if isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return CourierBusy(f"SES: {error}")
    return SendUnconfirmed(f"SES may have the mail: {error}")
