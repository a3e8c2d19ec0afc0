"""Carries mail to Amazon SES: API v2, raw content, one request a mail and never a second.

Importing this costs half a second, so only relay/outbound/choose does, where SES is chosen.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
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
from relay.outbound.couriers.lease_guard import LeaseCheck
from relay.outbound.couriers.quota import Allowance, Quota
from relay.outbound.couriers.ses.client import ses_client
from relay.outbound.couriers.ses.errors import meaning
from relay.outbound.couriers.ses.events import ATTEMPT_TAG
from store.errors import SendUnconfirmed

_THREADS: Final = 8
_CONNECT_SECONDS: Final = 10
_NOT_CONNECTED: Final = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)


class SesCourier:
    """The client of one account in one region; credentials come by boto3's own chain, and a region that is None.

    Raises Misconfigured when that chain names no region.
    """

    def __init__(
        self,
        *,
        region: str | None,
        endpoint_url: str | None = None,
        configuration_set: str | None = None,
        seconds: float = 60,
    ) -> None:
        self._client = ses_client(
            region=region,
            endpoint_url=endpoint_url,
            connect_seconds=_CONNECT_SECONDS,
            read_seconds=seconds,
            connections=_THREADS,
        )
        self._configuration_set = configuration_set
        self._quota = Quota()
        self._asking = asyncio.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ses")

    async def carry(
        self,
        raw: bytes,
        *,
        mail_from: str,  # noqa: ARG002
        recipients: Sequence[str],
        attempt_id: str,
        check_lease: LeaseCheck,
    ) -> str:
        """As Courier says. *mail_from* is not sent: SES takes From, and the envelope's sender is its own."""
        await self._keep_to_quota(len(recipients))
        request: dict[str, Any] = {
            "Destination": {"ToAddresses": list(recipients)},
            "Content": {"Raw": {"Data": raw}},
            "EmailTags": [{"Name": ATTEMPT_TAG, "Value": attempt_id}],
        }
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._send, request, check_lease)

    async def close(self) -> None:
        """Wait for what is being carried."""
        await asyncio.to_thread(self._threads.shutdown)
        self._client.close()

    async def _keep_to_quota(self, recipients: int) -> None:
        loop = asyncio.get_running_loop()
        async with self._asking:
            if self._quota.is_stale(loop.time()):
                allowance = await loop.run_in_executor(self._threads, self._allowance)
                self._quota.learn(allowance, now=loop.time())
            wait = self._quota.take(recipients, now=loop.time())
        await asyncio.sleep(wait)

    def _allowance(self) -> Allowance | None:
        """None where the account may not be asked: sending is another permission."""
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
        check_lease()  # not before: the mail has stood in line for the quota, and for a thread
        try:
            answer = self._client.send_email(**request)
        except ClientError as error:
            raise _of_answer(error) from error
        except _NOT_CONNECTED as error:
            raise CourierBusy(f"SES: {error}") from error
        except (HTTPClientError, ResponseParserError) as error:
            raise _of_line(error) from error
        except BotoCoreError as error:  # no credentials, no such region: nothing has left this machine
            raise CourierBusy(f"SES: {error}") from error
        except Exception as error:  # botocore lets through what goes wrong when an answer is no JSON of SES's
            raise SendUnconfirmed(f"SES may have the mail: its answer cannot be read: {error!r}") from error
        message_id = answer.get("MessageId")
        if not isinstance(message_id, str) or not message_id:
            raise SendUnconfirmed("SES may have the mail: its answer names no id")
        return message_id


def _of_answer(error: ClientError) -> Exception:
    told = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return meaning(str(told.get("Code", "")), str(told.get("Message", "")), status)


def _of_line(error: Exception) -> CourierBusy | SendUnconfirmed:
    """A line that broke at some time: before the request only where the certificate was not believed."""
    if isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return CourierBusy(f"SES: {error}")
    return SendUnconfirmed(f"SES may have the mail: {error}")
