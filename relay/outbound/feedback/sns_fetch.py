"""Request the signing certificate from SNS, and confirm a subscription.

Only URLs that sns.py has checked are requested, on the host of SNS in the topic's region, over TLS. No redirect is
followed, and at most 64 KiB are read.
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
MAX_CACHED: Final = 16  # certificates: SNS changes its own once a year or so
_SECONDS: Final = 10.0  # SNS itself waits 15 for an answer


class SnsClient:
    """Requests to SNS. Certificates are cached by their URL, which changes with the certificate."""

    def __init__(self, *, seconds: float = _SECONDS) -> None:
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._certificates: OrderedDict[str, Certificate] = OrderedDict()

    async def certificate(self, url: str) -> Certificate:
        """As SnsApi."""
        cached = self._certificates.get(url)
        if cached is None:
            cached = self._certificates[url] = _read(await self._get(url))
        self._certificates.move_to_end(url)
        if len(self._certificates) > MAX_CACHED:
            self._certificates.popitem(last=False)
        return cached

    async def confirm(self, url: str) -> None:
        """As SnsApi."""
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
    """Read *content*. Raises SnsUnreachable above the limit."""
    found = bytearray()
    async for part in content.iter_any():
        found += part
        if len(found) > MAX_ANSWER:
            raise SnsUnreachable(f"SNS answered more than {MAX_ANSWER} bytes")
    return bytes(found)


def _read(pem: bytes) -> Certificate:
    try:
        return load_pem_x509_certificate(pem)
    except ValueError as error:
        raise SnsUnreachable("SNS answered with no PEM certificate") from error
