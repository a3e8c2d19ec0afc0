"""A mail's octets between receiver, spool and budget."""

from relay.errors import SpoolFull
from relay.smtp import replies
from relay.smtp.budget import MemoryBudget
from relay.smtp.data import DotReceiver
from relay.smtp.intake import Intake
from relay.spool import Spool


class FullSpool(Spool):
    def write(self, chunk):
        raise SpoolFull


def intake(spool=None, budget=None, max_bytes=1000):
    receiver = DotReceiver(max_bytes=max_bytes, max_line=1000)
    return Intake(receiver, spool or Spool(), (budget or MemoryBudget(1000, largest=1000)).reserve((32, 1)))


def test_a_good_mail_is_in_the_spool():
    taken = intake()
    taken.feed(b"Subject: x\r\n")
    taken.feed(b"\r\n..dot\r\n.\r\n")

    assert taken.refusal is None
    assert b"Subject: x\r\n\r\n.dot\r\n" == taken.spool.head()


def test_a_fault_is_told():
    taken = intake(max_bytes=3)
    taken.feed(b"abcd\r\n.\r\n")

    assert replies.TOO_LARGE == taken.refusal


def test_a_full_disk_puts_the_mail_off_and_reads_on_to_its_end():
    taken = intake(FullSpool())
    taken.feed(b"abc\r\n")
    taken.feed(b"more\r\n.\r\nQUIT")

    assert replies.NO_STORAGE == taken.refusal
    assert b"QUIT" == taken.receiver.rest


def test_an_empty_budget_puts_the_mail_off_and_stops_writing():
    budget = MemoryBudget(5, largest=5)
    taken = intake(budget=budget)
    taken.feed(b"abc\r\nd")
    taken.feed(b"efgh\r\n")
    taken.feed(b"\r\n.\r\n")

    assert replies.NO_STORAGE == taken.refusal
    assert taken.spool.size <= 5


def test_closing_gives_all_back():
    budget = MemoryBudget(50, largest=50)
    taken = intake(budget=budget)
    taken.feed(b"abc\r\n.\r\n")
    assert 5 == budget.used
    taken.close()

    assert 0 == budget.used
