"""Output of the demonstration."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from relay.daemon import Addresses
from relay.demo.client import Api
from relay.demo.world import POLL_AGENT, WEBHOOK_AGENT, DemoMail
from relay.signing.check import RequestCheck

_LEAST_WIDTH: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What reached the agents of one message."""

    mail: DemoMail
    ids: list[str]  # from the SMTP reply: the webhook agent's, the poll agent's
    body: str  # of the webhook request
    checked: RequestCheck
    leased: str | None  # the message id that the poll agent got
    acked: bool

    @property
    def data(self) -> dict[str, Any]:
        """The message in the webhook's event."""
        found: dict[str, Any] = json.loads(self.body)["data"]
        return found

    @property
    def is_right(self) -> bool:
        """Whether all agents got the message, with the expected verdict and valid signatures."""
        verdict = self.data["authentication"]["verified"]
        arrived = self.data["message_id"] == self.ids[0] and self.leased == self.ids[1] and self.acked
        return arrived and verdict is self.mail.verified and self.checked.holds and self.checked.fresh is True


def tell(text: str) -> None:
    """Print a line about what happens next."""
    click.echo(text)


def show_rows(rows: list[DemoResult]) -> None:
    """Print a table with one row for each message."""
    table = Table("message", "sender", "webhook agent", "poll agent", box=None, header_style="bold", padding=(0, 2))
    for row in rows:
        found = row.data["authentication"]
        verdict = f"verified: {found['verified_domain']}" if found["verified"] else "not verified"
        check = row.data["auth_headers"]["Mailseal-Domain-Check"].replace("; ", " ")
        table.add_row(
            row.mail.title,
            f"{verdict}\n{check}",
            f"arrived, {row.ids[0][:16]}…\nsignature {_word(row.checked.webhook.signature)}, seal {_seal(row)}",
            f"leased, {(row.leased or 'none')[:16]}…\nacked {_word(row.acked)}",
        )
        table.add_section()
    Console(highlight=False, width=max(_LEAST_WIDTH, Console().width)).print(table)
    wrong = [row.mail.title for row in rows if not row.is_right]
    click.echo(
        f"\nNot as expected: {', '.join(wrong)}"
        if wrong
        else "\nAll messages arrived, with the expected verdicts and valid signatures."
    )


def show_keys(addresses: Addresses, api: Api, data_dir: Path) -> None:
    """Print addresses and a key to try the running relay with."""
    host, port = addresses.smtp[0]
    click.echo(f"""
The relay is still running; Ctrl-C stops it and removes {data_dir}.

  SMTP     {host}:{port}
  agents   {WEBHOOK_AGENT} (webhook), {POLL_AGENT} (poll)
  API      {api.base_url}
  API key  {api.key}

Try:
  swaks --server {host}:{port} --to {POLL_AGENT} --from you@customer.example
  curl -H 'Authorization: Bearer {api.key}' {api.base_url}/v1/agents/{POLL_AGENT}/messages""")


def _word(good: bool) -> str:  # noqa: FBT001 (a word for a truth)
    return "ok" if good else "WRONG"


def _seal(row: DemoResult) -> str:
    return _word(row.checked.seal is not None and row.checked.seal.holds)
