"""A way into the console for somebody whom no letter reaches."""

import secrets

import click

from relay.cli.output import json_option, show
from relay.cli.program import Program, pass_program
from relay.directory.sign_in import LASTS, sign_in_link


@click.command("login-link")
@click.argument("email")
@json_option
@pass_program
def login_link(program: Program, email: str, *, as_json: bool) -> None:
    """Print a link that signs a user in: good for 15 minutes, once."""
    user, now = program.user(email), program.now()
    url = sign_in_link(
        user.id,
        base_url=program.settings.base_url,
        key=program.master.links,
        nonce=secrets.token_urlsafe(16),
        now=now,
    )
    if as_json:
        show({"email": user.email, "url": url, "expires_at": now + LASTS}, as_json=True)
    else:
        click.echo(url)
