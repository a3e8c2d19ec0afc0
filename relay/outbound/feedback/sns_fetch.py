"""Asking SNS in return: for the certificate that it signs under, and for a subscription to begin.

It asks for addresses that sns.py has checked, on the host of SNS in the topic's region, over TLS; no redirect is
followed, and no more is read than a certificate has.
"""

from collections import OrderedDict
from http import HTTPStatus
from typing import Final

import aiohttp
from cryptography.x509 import Certificate, load_pem_x509_certificate
from yarl import URL

from relay.errors import SnsUnreachable
from relay.http_answers import bounded_session

MAX_ANSWER: Final = 64 * 1024  # bytes
REMEMBERED: Final = 16  # certificates: SNS changes its own once a year or so
_SECONDS: Final = 10.0  # SNS itself waits 15 for an answer


class SnsClient:
    """The line to SNS. Certificates are remembered, for each has an address of its own."""

    def __init__(self, *, seconds: float = _SECONDS) -> None:
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._certificates: OrderedDict[str, Certificate] = OrderedDict()

    async def certificate(self, url: str) -> Certificate:
        """As Sns says."""
        known = self._certificates.get(url)
        if known is None:
            known = self._certificates[url] = _read(await self._get(url))
        self._certificates.move_to_end(url)
        if len(self._certificates) > REMEMBERED:
            self._certificates.popitem(last=False)
        return known

    async def confirm(self, url: str) -> None:
        """As Sns says."""
        await self._get(url)

    async def _get(self, url: str) -> bytes:
        try:
            async with (
                bounded_session(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.get(URL(url, encoded=True), allow_redirects=False) as answer,
            ):
                if answer.status != HTTPStatus.OK:
                    raise SnsUnreachable(f"SNS answered {answer.status}")
                return await _bounded(answer.content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SnsUnreachable(f"no connection to SNS: {error or type(error).__name__}") from error


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """All of *content*. Raises SnsUnreachable where that is more than SNS has to say."""
    found = bytearray()
    async for part in content.iter_any():
        found += part
        if len(found) > MAX_ANSWER:
            raise SnsUnreachable("SNS answered with more than a certificate has")
    return bytes(found)


def _read(pem: bytes) -> Certificate:
    try:
        return load_pem_x509_certificate(pem)
    except ValueError as error:
        raise SnsUnreachable("what stands where SNS keeps a certificate is none") from error
