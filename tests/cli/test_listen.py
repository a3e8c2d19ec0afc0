"""`mailseal listen`: what it needs, what it prints, and how it ends."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import http.server
import json
import os
import queue
import signal
import subprocess
import sys
import threading

import pytest

from relay.signing.keys import KEY_BYTES, new_key
from tests.cli.conftest import BOT, OWNER
from tests.daemon_process import ROOT, DaemonProcess

HOOK_URL = "http://localhost:3000/hook"
KEY = new_key(bytes(KEY_BYTES))  # nobody's
PATIENCE_SECONDS = 30


class Listener:
    """A command that goes on, and the lines it prints."""

    def __init__(self, env, *arguments):
        command = [sys.executable, "-m", "relay.cli", "listen", *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out, self.err = queue.SimpleQueue(), queue.SimpleQueue()
        for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err)):
            threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()

    def _read(self, stream, lines):
        with stream:
            for line in stream:
                lines.put(line)

    def line(self):
        return self.out.get(timeout=PATIENCE_SECONDS)

    def error(self):
        return self.err.get(timeout=PATIENCE_SECONDS)

    def end(self, number=signal.SIGINT):
        """Its exit status once it was told to end."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)


@pytest.fixture
def listening():
    """Starts listeners; none is left behind."""
    running = []

    def start(env, *arguments):
        running.append(Listener(env, *arguments))
        return running[-1]

    yield start
    for each in running:
        each.process.kill()
        each.process.wait()


@pytest.fixture
def relay(cli):
    """A daemon on the data directory of *cli*, and a key of the owner's."""
    with DaemonProcess(cli.settings) as daemon:
        daemon.url = "http://{}:{}".format(*daemon.http)
        daemon.key = cli.json("key", "create", "--user", OWNER)["api_key"]
        yield daemon


@pytest.fixture
def elsewhere():
    """The environment of a machine that has no relay."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAILSEAL_")}


def test_without_a_key_it_says_what_is_needed(empty):
    result = empty.run("listen", "--agent", BOT, "--forward", HOOK_URL)

    assert 2 == result.exit_code
    assert "an API key is needed" in result.stderr
    assert "mailseal key create --user EMAIL" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--key", "mk_1", "not an API key"),
        ("--key", KEY[:-1] + "x", "not an API key"),
        ("--forward", "localhost:3000", "not https"),
        ("--forward", "ftp://localhost/", "not https"),
        ("--forward", "http://a b/", "spaces"),
        ("--forward", "http://user:pw@localhost/", "user name or password"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_asked(empty, option, value, why):
    values = {"--agent": BOT, "--forward": HOOK_URL, "--key": KEY} | {option: value}
    result = empty.run("listen", *[word for pair in values.items() for word in pair])

    assert 2 == result.exit_code
    assert why in result.stderr


def test_the_key_may_come_by_the_environment_and_is_no_setting(empty):
    assert 0 == empty.run("init", MAILSEAL_API_KEY=KEY).exit_code
    result = empty.run("listen", "--agent", BOT, "--forward", HOOK_URL, "--url", "http://", MAILSEAL_API_KEY=KEY)

    assert (1, "mailseal: http: is not the URL of a relay\n") == (
        result.exit_code,
        result.stderr.splitlines(keepends=True)[-1],
    )


def test_a_relay_that_does_not_know_the_key_ends_it_with_a_line(relay, empty):
    result = empty.run("listen", "--agent", BOT, "--forward", HOOK_URL, "--url", relay.url, "--key", KEY)

    assert 1 == result.exit_code
    assert result.stderr.splitlines()[-1].startswith("mailseal: the relay refuses: ")


def test_an_agent_that_is_not_the_keys_ends_it_with_a_line(relay, empty):
    result = empty.run(
        "listen", "--agent", "x@y.example", "--forward", HOOK_URL, "--url", relay.url, "--key", relay.key
    )

    assert (1, "mailseal: the relay refuses: No such agent") == (result.exit_code, result.stderr.splitlines()[-1])


def test_another_agents_state_ends_it_with_a_line(empty, tmp_path):
    state = tmp_path / "state"
    state.write_text('{"agent": "x@y.example", "last_event_id": "1"}')
    result = empty.run("listen", "--agent", BOT, "--forward", HOOK_URL, "--key", KEY, "--state", str(state))

    assert (78, True) == (result.exit_code, "belongs to x@y.example" in result.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_mail_is_forwarded_from_another_machine_until_it_is_told_to_end(relay, cli, mail, elsewhere, listening, number):
    with Program() as program:
        listener = listening(
            elsewhere, "--agent", BOT, "--forward", program.url, "--url", relay.url, "--key", relay.key, "--from-start"
        )
        assert listener.error().startswith(f"listening for {BOT} at {relay.url}, forwarding to {program.url}")
        (message_id,) = cli.inject(mail, "--to", BOT, "--mail-from", "ana@example.com")

        line = listener.line()

        assert message_id in program.got.get(timeout=PATIENCE_SECONDS).decode()
    time, kind, sender, verified, rest = line.split(None, 4)
    assert ("email.received", "ana@example.com", "unverified") == (kind, sender, verified)
    assert rest.startswith("Is dinner ready?  →  204 in ")
    assert 8 == len(time)
    assert 0 == listener.end(number)
    assert "stopped\n" == listener.error()


def test_a_listener_on_the_relays_machine_needs_no_url_and_outlives_the_relay(cli, mail, listening):
    with Program() as program, DaemonProcess(cli.settings) as daemon:
        key = cli.json("key", "create", "--user", OWNER)["api_key"]
        here = {"MAILSEAL_HTTP_LISTEN": "{}:{}".format(*daemon.http)}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILSEAL_")}
        listener = listening(
            kept | cli.settings | here, "--agent", BOT, "--forward", program.url, "--key", key, "--from-start", "--json"
        )
        ids = cli.inject(mail, "--to", BOT)
        said = [json.loads(listener.line())]
        daemon.kill()
        with DaemonProcess(cli.settings | here):
            ids += cli.inject(mail, "--to", BOT)
            said.append(json.loads(listener.line()))

    assert ids == [each["message_id"] for each in said]
    assert {(204, True)} == {(each["status"], each["taken"]) for each in said}


def test_what_a_program_will_not_take_is_said_and_the_next_comes(relay, cli, mail, elsewhere, listening):
    with Program(404, 204) as program:
        listener = listening(
            elsewhere, "--agent", BOT, "--forward", program.url, "--url", relay.url, "--key", relay.key, "--from-start"
        )
        cli.inject(mail, "--to", BOT)
        cli.inject(mail, "--to", BOT)

        refused, taken = listener.line(), listener.line()

    assert "→  NOT TAKEN: status 404, going on (evt_" in refused
    assert "→  204 in" in taken


class Program:
    """A program on this machine that answers each request with the next status."""

    def __init__(self, *statuses):
        self.statuses, self.got = list(statuses) or [204], queue.SimpleQueue()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def _handler(self):
        program = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                program.got.put(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(program.statuses.pop(0) if len(program.statuses) > 1 else program.statuses[0])
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
