"""The yardstick of sending: what one writes in an hour, and what keeps nothing.

``python -m tests.bench.naive_send ses|smtp PORT MAILS THREADS`` hands so many mails over, by boto3's send_email or by
smtplib with a connection a mail, and prints one JSON object with the seconds and the seconds of CPU that took. What
was being sent when such a program dies is lost, or comes twice.
"""

import json
import smtplib
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from functools import partial
from typing import Any

import boto3
from botocore.config import Config

from tests.bench.posts import AGENT, SUBJECT, TEXT, reader


def by_boto3(client: Any, number: int) -> None:
    """Send one mail: SES makes the bytes of it."""
    client.send_email(
        FromEmailAddress=AGENT,
        Destination={"ToAddresses": [reader(number)]},
        Content={"Simple": {"Subject": {"Data": SUBJECT}, "Body": {"Text": {"Data": TEXT}}}},
    )


def by_smtplib(port: int, number: int) -> None:
    """Write one mail, and send it."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = AGENT, reader(number), SUBJECT
    mail.set_content(TEXT)
    with smtplib.SMTP("127.0.0.1", port, "naive.example") as smtp:
        smtp.send_message(mail)


def sender(provider: str, port: int, threads: int) -> Callable[[int], None]:
    """What hands over mail so-and-so."""
    if provider == "smtp":
        return partial(by_smtplib, port)
    config = Config(max_pool_connections=threads)
    session = boto3.session.Session("bench", "bench", region_name="eu-west-1")
    client = session.client("sesv2", endpoint_url=f"http://127.0.0.1:{port}", config=config)
    return partial(by_boto3, client)


def main(provider: str, port: str, mails: str, threads: str) -> None:
    """Send, as many at once as there are threads."""
    send = sender(provider, int(port), int(threads))
    send(0)  # what is loaded once is not a mail's
    began, cpu = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(int(threads)) as pool:
        for _ in pool.map(send, range(int(mails))):
            pass
    print(json.dumps({"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - cpu}))


if __name__ == "__main__":
    main(*sys.argv[1:])
