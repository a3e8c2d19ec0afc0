"""Trials against a running daemon, as strangers and thieves make them against mail servers and webhook services."""

import http.client
import json
import smtplib
import socket
import stat
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from relay.clock import SystemClock
from relay.directory.keys import create_key
from relay.signing.secrets import master_key
from store.database.connect import open_store, sqlite_url
from store.transaction import Tx
from tests.cli.conftest import Cli
from tests.daemon_process import DaemonProcess
from tests.places import Places

OWNER = "ana@owner.example"
BOT, OTHER = "bot@agents.example", "other@agents.example"
BASE_URL = "https://relay.example"
BUGS = {"session_failed", "handler_failed", "request_failed", "page_failed"}  # what the log calls an unforeseen error
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\u2066\x9b31m"
MAIL = b"From: =?utf-8?q?%s?= <a@b.example>\r\nSubject: =?utf-8?q?%s?=\r\n\r\nhi\r\n"
SETTINGS = {"MAILSEAL_PUBLIC_URL": BASE_URL, "MAILSEAL_SHARED_DOMAIN": "agents.example", "MAILSEAL_LOG_LEVEL": "debug"}


class Place:
    """A daemon, its command line, and API keys of each scope."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir
        self.cli = Cli(data_dir, **SETTINGS)
        self.daemon = DaemonProcess(self.cli.settings)
        self.keys: dict[str, str] = {}

    def __enter__(self) -> Self:
        assert 0 == self.cli.process("init").returncode  # with its own umask
        self.daemon.start()
        store = open_store(sqlite_url(self.folder / "mailseal.db"))
        store.run(self._furnish)
        store.engine.dispose()
        return self

    def _furnish(self, tx: Tx) -> None:
        places = Places(SystemClock(), master_key((self.folder / "secret.key").read_bytes().strip()))
        user = places.user(tx, OWNER)
        for address in (BOT, OTHER):
            places.agent(tx, user, address)
        for scope in ("read", "work", "send", "admin"):
            self.keys[scope] = create_key(tx, user.id, name=scope, scopes=(scope,), now=places.clock.now())[1]

    def __exit__(self, *_: object) -> None:
        self.daemon.kill()

    def ask(self, method: str, path: str, key: str | None = None, body: object = None, **fields: str):
        """Status, header fields and body of an answer."""
        connection = http.client.HTTPConnection(*self.daemon.http, timeout=20)
        sent = {name.replace("_", "-"): value for name, value in fields.items()}
        sent |= {"Authorization": f"Bearer {self.keys[key]}"} if key else {}
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, sent | ({"Content-Type": "application/json"} if data else {}))
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found

    def exchange(self, octets: bytes) -> bytes:
        """All that the HTTP server answers to *octets* until it closes, or is silent."""
        with socket.create_connection(self.daemon.http, timeout=2) as line:
            line.sendall(octets)
            got = b""
            with suppress(TimeoutError, ConnectionError):
                while piece := line.recv(65_536):
                    got += piece
            return got


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with Place(tmp_path_factory.mktemp("stranger") / "data") as opened:
        yield opened


RELAYED = [
    "x@elsewhere.example", "x%elsewhere.example@agents.example", '"x@elsewhere.example"@agents.example',
    "@agents.example:x@elsewhere.example", "@agents.example,@a.example:x@elsewhere.example", "elsewhere.example!x@agents.example",
    '"elsewhere.example!x"@agents.example', "x@[127.0.0.1]", "x@[IPv6:::1]", "x@agents.example@elsewhere.example",
    "x@elsewhere.example@agents.example", "x@localhost", "x@agents.example.elsewhere.example", "x%elsewhere.example",
    "x@agents.example\\@elsewhere.example", "bot@agents.example%elsewhere.example", "x@\u0430gents.example",
]  # fmt: skip


def test_no_path_makes_the_daemon_an_open_relay(place):
    found = {}
    for start in range(0, len(RELAYED), 9):  # replies are delayed from the tenth error on
        with smtplib.SMTP(*place.daemon.smtp, timeout=20) as client:
            client.ehlo("mx.stranger.example")
            client.docmd("MAIL FROM:<a@stranger.example> SMTPUTF8")
            for path in RELAYED[start : start + 9]:
                client.send(f"RCPT TO:<{path}>\r\n".encode())
                found[path] = client.getreply()[0]

    assert {} == {path: code for path, code in found.items() if not 500 <= code < 560}


SMUGGLED = b"GET /v1/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
DOUBTFUL = {
    "two lengths": b"Content-Length: 0\r\nContent-Length: %d\r\n",
    "a length and chunks": b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n",
    "chunks spelt otherwise": b"Content-Length: %d\r\nTransfer-Encoding: xchunked\r\n",
    "chunks twice": b"Content-Length: %d\r\nTransfer-Encoding: chunked, identity\r\n",
    "a blank before the colon": b"Content-Length: %d\r\nTransfer-Encoding : chunked\r\n",
    "a tab in the coding": b"Content-Length: %d\r\nTransfer-Encoding:\tchunked\x0b\r\n",
    "a signed length": b"Content-Length: +%d\r\n",
    "a length of words": b"Content-Length: 0, %d\r\n",
    "a bare line end": b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: %d\r\n",
    "a folded field": b"X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: %d\r\n",
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_request_whose_end_is_doubtful_is_followed_by_no_other(place, name):
    fields = DOUBTFUL[name] % len(SMUGGLED) if b"%d" in DOUBTFUL[name] else DOUBTFUL[name]
    answers = place.exchange(b"POST /v1/me HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + fields + b"\r\n" + SMUGGLED)

    assert answers.count(b"HTTP/1.1 ") == 1
    assert b"smuggled" not in answers


def test_a_key_counts_in_its_header_field_alone_and_a_method_is_what_it_is(place):
    key = place.keys["read"]
    statuses = [
        place.ask("GET", f"/v1/me?api_key={key}&access_token={key}&key={key}")[0],
        place.ask("GET", "/v1/me", Cookie=f"mailseal_session={key}; Authorization=Bearer {key}")[0],
        place.ask("GET", "/v1/me", X_Api_Key=key, Proxy_Authorization=f"Bearer {key}")[0],
        place.ask("GET", "/v1/me", Authorization=f"Basic {key}")[0],
        place.ask("GET", "/v1/me", Authorization=f"Bearer {key}, Bearer {key}")[0],
    ]
    overriding = {"X_HTTP_Method_Override": "DELETE", "X_HTTP_Method": "DELETE", "X_Original_URL": "/v1/keys"}

    assert [401] * 5 == statuses
    assert 200 == place.ask("GET", f"/v1/agents/{BOT}?_method=DELETE", "read", **overriding)[0]
    assert 200 == place.ask("GET", f"/v1/agents/{BOT}", "read")[0]


def test_the_answer_to_a_repeated_request_is_for_keys_that_may_ask_it(place):
    path = f"/v1/agents/{OTHER}/secret/rotate"
    made = place.ask("POST", path, "admin", Idempotency_Key="same")
    again = {scope: place.ask("POST", path, scope, Idempotency_Key="same") for scope in place.keys}

    assert (200, True) == (made[0], b"whsec_" in made[2])
    assert made[2] == again.pop("admin")[2]
    assert {} == {scope: each for scope, each in again.items() if each[0] not in {403, 422} or b"whsec_" in each[2]}


@pytest.mark.parametrize(
    "path", ["/", "/login", "/help/errors", "/openapi.json", "/v1/nothing", "/review/x.y", "/a%0d%0aX: y"]
)
def test_the_host_that_a_client_names_is_written_nowhere(place, path):
    named = {"Host": "evil.example", "X_Forwarded_Host": "evil.example", "Forwarded": "host=evil.example;proto=http"}
    status, fields, body = place.ask("GET", path.replace(" ", "%20"), **named)

    assert status < 500
    assert "evil.example" not in str(fields) + body.decode()


@pytest.mark.parametrize("root", ["/help/", "/static/", "/", "/v1/agents/"])
def test_no_path_leads_out_of_the_documents(place, root):
    key = place.folder / "secret.key"
    outside = ["../" * 12 + "etc/passwd", "%2e%2e/" * 12 + "etc/passwd", "..%2f" * 12 + "etc%2fpasswd", "..%5c..%5cetc"]
    outside += [
        "....//" * 8 + "etc/passwd",
        "%00/etc/passwd",
        f"{key}",
        f"..{key}",
        "%c0%ae%c0%ae/etc/passwd",
        "errors%00.html",
    ]
    found = {path: place.ask("GET", root + path) for path in outside}

    assert {} == {path: each[0] for path, each in found.items() if each[0] not in {303, 400, 401, 404, 422}}
    assert not [path for path, each in found.items() if b"root:" in each[2] or key.read_bytes() in each[2]]


def test_nothing_a_stranger_says_breaks_a_line_of_the_log(place):
    forged = '{"event": "forged", "level": "info"}'
    with socket.create_connection(place.daemon.smtp, timeout=10) as line:
        for octets in (
            f"EHLO {HOSTILE}",
            f"MAIL FROM:<{HOSTILE}@a.example>",
            f"RCPT TO:<x\x00{forged}@b>",
            forged,
            "\x1b[2J\n" + forged,
        ):
            line.sendall(octets.encode() + b"\r\n")
        with suppress(ConnectionError, TimeoutError):
            while line.recv(4096):
                pass
    place.ask("GET", "/v1/me%0a%1b[2J" + forged.replace(" ", "").replace('"', "%22"), User_Agent="\x1b[2J" + forged)
    with smtplib.SMTP(*place.daemon.smtp, timeout=20) as client:
        client.sendmail("a@b.example", [BOT], MAIL % (b"=1B=5B2J=0A" + forged.replace(" ", "_").encode(), b"=1B=0Ax"))
    place.daemon.wait_for("message_accepted")

    assert [] == place.daemon.noise
    assert [] == [line for line in place.daemon.log if line["event"] == "forged"]
    assert [] == [line for line in place.daemon.log if line["event"] in BUGS]


def test_what_is_open_to_strangers_names_no_user_no_agent_and_no_key(place):
    with smtplib.SMTP(*place.daemon.smtp, timeout=20) as client:
        client.sendmail("secret-sender@b.example", [BOT], MAIL % (b"x", b"secret-subject"))
    pages = b"".join(
        place.ask("GET", path)[2] for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/login")
    )
    secret = [OWNER, "secret-", "127.0.0.1", *(key[:12] for key in place.keys.values())]

    assert b"mailseal_mails_total" in pages
    assert [] == [word for word in [*secret, OTHER] if word.encode() in pages]


def test_files_and_the_command_of_the_daemon_are_for_its_user_alone(place):
    paths = [path for path in [place.folder, *place.folder.rglob("*")] if path.stat().st_size]  # the lock is empty
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}
    key = (place.folder / "secret.key").read_text().strip()
    told = Path(f"/proc/{place.daemon.pid}/cmdline").read_text() if Path("/proc/self").exists() else ""

    assert {"mailseal.db", "secret.key"} <= set(found)
    assert {} == {path: oct(mode) for path, mode in found.items() if mode & 0o077}
    assert key not in told


def test_the_command_line_shows_no_control_character_of_a_mail(place):
    written = "".join(f"={octet:02X}" for octet in HOSTILE.encode()).encode()
    with smtplib.SMTP(*place.daemon.smtp, timeout=20) as client:
        client.sendmail("a@b.example", [BOT], MAIL % (written, written))
    shown = place.cli.ok("message", "list", "--agent", BOT)
    newest = place.cli.json("message", "list", "--agent", BOT)["items"][0]
    shown += place.cli.ok("message", "show", newest["message_id"]) + place.cli.ok(
        "message", "trace", newest["message_id"]
    )

    assert "gnp.exe" in shown
    assert [] == [hex(ord(sign)) for sign in shown if sign != "\n" and unicodedata.category(sign) in {"Cc", "Cf"}]


INSIDE = [
    "http://127.0.0.1/", "https://localhost/", "https://localhost./", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/",
    "https://127.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://169.254.169.254/latest/",
    "https://[fd00:ec2::254]/", "https://u:p@hooks.example/", "https://hooks.example:25/", "file:///etc/passwd", "gopher://127.0.0.1:25/",
    "https://hooks.example\\@127.0.0.1/", "https://127.0.0.1#@hooks.example/", "https://\u2460\u2461\u2466.0.0.1/", "https://0/",
]  # fmt: skip


def test_a_stolen_admin_key_points_no_webhook_inside(place):
    found = {}
    for url in INSIDE:
        status, _, body = place.ask("PATCH", f"/v1/agents/{OTHER}", "admin", {"mode": "webhook", "webhook_url": url})
        if status == 200:  # a name is judged when it is connected to
            status, _, body = place.ask("POST", f"/v1/agents/{OTHER}/test", "admin")
        found[url] = (status, body)

    assert {} == {url: each for url, each in found.items() if each[0] < 400 and b'"status":null' not in each[1]}
