"""What an event costs to compose: in the units of tests/cost.py, and beside other mails."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from relay.events.inbound import message_event
from relay.mail.reply_text import reply_text
from relay.mail.signin.codes import find_codes
from relay.threads import READ_OFF_LOOP_BYTES, reads_quickly
from tests.cost import SECOND, cost
from tests.mail.html_text.test_hostile_pages import PAGES
from tests.mail.letters import mail
from tests.mail.newsletters import LAYOUTS, newsletter
from tests.mail.test_hostile import HOSTILE
from tests.test_events import kept

HOLD = 0.005 * SECOND  # what may be done on the event loop at a time
AT = datetime(2026, 11, 30, tzinfo=UTC)
LINE = "The pump in hall four runs again and the team thanks all who helped with parts of the repair.\r\n"
ORDINARY = mail(
    b"From: Ana Weber <ana@example.com>", b"To: Bob Stone <bot@agents.example>", b"Subject: The pump in hall four",
    b"Date: Mon, 30 Nov 2026 10:00:00 +0000", b"Message-ID: <a1@example.com>", b"MIME-Version: 1.0",
    b"Content-Type: text/plain; charset=utf-8", body=f"Hello Bob,\r\n\r\n{LINE * 48}\r\nBest regards\r\nAna\r\n".encode(),
)  # fmt: skip
NEWSLETTER = 39_000  # characters


def ratio(work: Callable[[], object], other: Callable[[], object], *, rounds: int = 10) -> float:
    """How many times the CPU time of *other* *work* costs: of both the least of *rounds* runs in turns."""
    least = [float("inf"), float("inf")]
    for _ in range(rounds):
        for number, each in enumerate((work, other)):
            start = time.thread_time()
            each()
            least[number] = min(least[number], time.thread_time() - start)
    return least[0] / least[1]


def event(raw: bytes, times: int = 1) -> None:
    """Compose the event of *raw*."""
    message = kept(raw)
    for _ in range(times):
        message_event(message, raw, event_id="evt_1", event_type="email.received", at=AT, base_url="https://x.example")


def test_the_event_of_a_newsletter_costs_no_more_than_eighteen_of_an_ordinary_mail():
    letters = {name: newsletter(make(NEWSLETTER)) for name, make in LAYOUTS.items()}
    costs = {name: ratio(lambda raw=raw: event(raw), lambda: event(ORDINARY)) for name, raw in letters.items()}

    assert {name: each for name, each in costs.items() if each >= 18} == {}


def test_a_newsletter_costs_in_proportion_to_its_size():
    small, large = (newsletter(LAYOUTS["blocks"](size)) for size in (NEWSLETTER, 3 * NEWSLETTER))

    assert ratio(lambda: event(large), lambda: event(small)) < 4.5


def test_an_ordinary_mail_costs_a_fraction_of_a_millisecond():
    assert cost(lambda: event(ORDINARY, 10), rounds=8, enough=0.4) < 0.9


def test_a_reply_with_accents_costs_hardly_more_than_one_without():
    plain = LINE.replace("\r", "") * 50
    accented = plain.replace("parts", "pi\u00e8ces").replace("again", "w\u00eeeder")

    def read(text: str) -> None:
        for _ in range(50):
            reply_text(text)

    assert ratio(lambda: read(accented), lambda: read(plain)) < 1.5


def test_no_mail_that_is_read_on_the_event_loop_holds_it_for_5_milliseconds():
    """Of each kind the largest piece that is read there."""
    whole = {name: make()[:READ_OFF_LOOP_BYTES] for name, make in HOSTILE.items()}
    head = b"Content-Type: text/html"
    whole |= {f"page: {name}": mail(head, body=page[:READ_OFF_LOOP_BYTES].encode()) for name, page in PAGES.items()}
    costs = {}
    for name, raw in whole.items():
        size = next(size for size in range(len(raw), 0, -100) if reads_quickly(raw[:size]))
        costs[name] = cost(lambda raw=raw[:size]: event(raw), rounds=8, enough=HOLD)

    assert {name: spent for name, spent in costs.items() if spent >= HOLD} == {}


def test_an_ordinary_mail_is_read_on_the_event_loop_and_a_dense_one_is_not():
    assert reads_quickly(ORDINARY)
    assert not reads_quickly(mail(b"Content-Type: text/html", body=b"<p>" * 500))
    assert not reads_quickly(b"x" * (READ_OFF_LOOP_BYTES + 1))


def test_codes_in_dense_text_are_found_within_the_bounds_of_the_event_loop():
    pieces = (
        "your code 483920 ",
        "code: ",
        "verification code pin otp ",
        "\u9a8c\u8bc1\u7801 ",
        "kod 1 ",
        "pass\n",
        "Code 12 34 56\n",
    )
    texts = {piece: (piece * READ_OFF_LOOP_BYTES)[:READ_OFF_LOOP_BYTES] for piece in pieces}
    costs = {
        piece: cost(lambda text=text: find_codes("code", text), rounds=8, enough=HOLD) for piece, text in texts.items()
    }

    assert {piece: spent for piece, spent in costs.items() if spent >= HOLD} == {}
