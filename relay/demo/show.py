"""What the demo prints."""

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
    """What became of one letter."""

    letter: DemoMail
    ids: list[str]  # of the SMTP reply: for the webhook agent, for the poll agent
    body: str  # of the webhook request
    checked: RequestCheck
    leased: str | None  # the message id the poller got
    acked: bool

    @property
    def data(self) -> dict[str, Any]:
        """What the webhook said of the mail."""
        found: dict[str, Any] = json.loads(self.body)["data"]
        return found

    @property
    def is_right(self) -> bool:
        """Whether everything happened, and says what it must."""
        verdict = self.data["authentication"]["verified"]
        arrived = self.data["message_id"] == self.ids[0] and self.leased == self.ids[1] and self.acked
        return arrived and verdict is self.letter.verified and self.checked.holds and self.checked.fresh is True


def show_rows(rows: list[DemoResult]) -> None:
    """A table: a line a letter."""
    table = Table("letter", "who sent it", "webhook", "poller", box=None, header_style="bold", padding=(0, 2))
    for row in rows:
        found = row.data["authentication"]
        verdict = f"verified: {found['verified_domain']}" if found["verified"] else "not verified"
        check = row.data["auth_headers"]["Mailseal-Domain-Check"].replace("; ", " ")
        table.add_row(
            row.letter.title,
            f"{verdict}\n{check}",
            f"arrived, {row.ids[0][:16]}…\nsignature {_word(row.checked.webhook.signature)}, seal {_seal(row)}",
            f"leased, {(row.leased or 'nothing')[:16]}…\nacked {_word(row.acked)}",
        )
        table.add_section()
    Console(highlight=False, width=max(_LEAST_WIDTH, Console().width)).print(table)
    wrong = [row.letter.title for row in rows if not row.is_right]
    click.echo(f"\nNot as it must be: {', '.join(wrong)}" if wrong else "\nAll of it happened as it must.")


def show_keys(addresses: Addresses, api: Api, data_dir: Path) -> None:
    """What it takes to play with the demo while it runs."""
    host, port = addresses.smtp[0]
    click.echo(f"""
Still running; Ctrl-C ends it and removes {data_dir}.

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
