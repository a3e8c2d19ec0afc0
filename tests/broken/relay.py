"""A running daemon as a test sees it: over SMTP and HTTP, in its log, and by `mailseal doctor`."""

import json
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from tests.broken.place import Place
from tests.daemon_process import DaemonProcess
from tests.journeys.sender import Reply, letter, send

BOT = "bot@agents.example"


@dataclass(frozen=True)
class Relay:
    """A running daemon and its files."""

    place: Place
    process: DaemonProcess

    def ask(self, path: str) -> tuple[int, str]:
        """The status and the body of a GET request."""
        with closing(HTTPConnection(*self.process.http, timeout=60)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    @property
    def ready(self) -> int:
        return self.ask("/readyz")[0]

    def metric(self, name: str) -> float:
        """The value of a series, with its labels as /metrics writes them; 0 where it is not there."""
        lines = dict(line.rsplit(" ", 1) for line in self.ask("/metrics")[1].splitlines() if line[0] != "#")
        return float(lines.get(f"mailseal_{name}", 0))

    def send(self, mail: bytes = letter(), to: str = BOT) -> Reply:
        """The answer to a mail."""
        return send(self.process.smtp, mail, to)

    def finding(self, name: str) -> tuple[str, str]:
        """What doctor says about *name* while the daemon runs: the state and the words."""
        self.place.set(smtp_listen="{}:{}".format(*self.process.smtp), http_listen="{}:{}".format(*self.process.http))
        return self.place.findings()[name]

    def write(self, key: str, agent: str, to: str) -> str:
        """Let *agent* write to *to*; the id of the message."""
        document: Any = {"to": [to], "subject": "Hello", "text": "Hello."}
        with closing(HTTPConnection(*self.process.http, timeout=60)) as connection:
            fields = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            connection.request("POST", f"/v1/agents/{agent}/send", json.dumps(document), fields)
            answer = connection.getresponse()
            assert answer.status == 202, answer.read()
            return str(json.loads(answer.read())["message_id"])
