"""Senders that do not stop: raw SMTP, one mail behind the other, until the other side is gone."""

import itertools
import socket
import threading
from collections.abc import Sequence

_PATIENCE_SECONDS = 30


class Load:
    """Several senders at a door, each in a thread of its own. What was promised to them is kept."""

    def __init__(self, recipients: Sequence[str]) -> None:
        self._recipients = recipients
        self._numbers = itertools.count()
        self._threads: list[threading.Thread] = []
        self.accepted: list[list[str]] = []  # the ids of each mail that was answered 250, in the recipients' order
        self.put_off = 0  # mails that were answered 4xx
        self.refused: list[str] = []  # replies 5xx: there must be none

    def start(self, smtp: tuple[str, int], senders: int) -> None:
        """Send on until the connection breaks."""
        self._threads = [threading.Thread(target=self._send_on, args=(smtp,), daemon=True) for _ in range(senders)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until every sender has found its connection broken."""
        for thread in self._threads:
            thread.join(_PATIENCE_SECONDS)
            assert not thread.is_alive(), "a sender hangs"

    def _send_on(self, smtp: tuple[str, int]) -> None:
        try:
            while True:
                self._hold_session(smtp)
        except OSError:
            return

    def _hold_session(self, smtp: tuple[str, int]) -> None:
        """One session, until the door ends it (421) or breaks it (OSError)."""
        with (
            socket.create_connection(smtp, timeout=_PATIENCE_SECONDS) as connection,
            connection.makefile("rb") as replies,
        ):
            said = Dialogue(connection, replies)
            said.hear()
            said.ask(b"EHLO mx.example.com\r\n")
            while self._send(said):
                pass

    def _send(self, said: "Dialogue") -> bool:
        """One mail; whether the session goes on."""
        envelope = b"".join(b"RCPT TO:<%s>\r\n" % each.encode() for each in self._recipients)
        said.say(b"MAIL FROM:<ana@example.com>\r\n" + envelope + b"DATA\r\n")
        heard = [said.hear() for _ in range(len(self._recipients) + 2)]
        if heard[-1][:3] == "354":
            heard = [said.ask(_MAIL % next(self._numbers))]
        return self._note(heard)

    def _note(self, heard: Sequence[str]) -> bool:
        worst = max(heard, key=lambda reply: reply[:1])
        self.refused += [reply for reply in heard if reply.startswith("5") and not reply.startswith("503")]
        if worst.startswith("2"):
            self.accepted.append([word for word in worst.split() if word.startswith("msg_")])
            return True
        self.put_off += 1
        return not any(reply.startswith("421") for reply in heard)


class Dialogue:
    """Commands and whole replies of one connection."""

    def __init__(self, connection, replies) -> None:
        self._connection = connection
        self._replies = replies

    def say(self, octets: bytes) -> None:
        self._connection.sendall(octets)

    def hear(self) -> str:
        """The last line of the next reply. Raises ConnectionError when there is none any more, or half of one."""
        while True:
            line = self._replies.readline()
            if not line.endswith(b"\r\n"):
                raise ConnectionError
            if line[3:4] == b" ":
                return line.decode()

    def ask(self, octets: bytes) -> str:
        self.say(octets)
        return self.hear()


_MAIL = (
    b"From: Ana <ana@example.com>\r\nSubject: letter %d\r\n\r\n"
    + b"We lost the game. Are you hungry yet?\r\n" * 20
    + b".\r\n"
)
