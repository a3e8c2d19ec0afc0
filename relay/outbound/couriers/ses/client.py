"""The boto3 client of an SES account: API v2, one request a call and no retry.

Importing this imports boto3, which takes half a second: only modules that are used with SES import it.
"""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import NoRegionError

from relay.errors import Misconfigured


def ses_client(
    *, region: str | None, endpoint_url: str | None, connect_seconds: float, read_seconds: float, connections: int = 1
) -> Any:
    """A client with boto3's own credentials, and its region where *region* is None. Raises Misconfigured for none."""
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
        return session.client("sesv2", region_name=region, endpoint_url=endpoint_url, config=config)
    except NoRegionError as error:
        raise Misconfigured("MAILSEAL_SES_REGION: SES needs a region: set it, or AWS_REGION") from error
