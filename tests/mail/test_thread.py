from relay.mail.summary import summarise
from relay.mail.thread import parent_ids
from store.mail.conversations import MAX_REFERENCES
from tests.mail.letters import headers


def test_parents_are_asked_for_nearest_first():
    summary = summarise(headers(b"In-Reply-To: <3@x> <4@x>", b"References: <1@x> <2@email.amazonses.com> <3@x>"))

    assert parent_ids(summary) == ("3@x", "2@email.amazonses.com", "1@x")


def test_a_first_mail_has_no_parent():
    assert parent_ids(summarise(headers(b"Message-ID: <1@x>"))) == ()


def test_fifty_parents_are_enough():
    summary = summarise(headers(b"References: " + b" ".join(b"<%d@x>" % number for number in range(90))))

    assert (len(parent_ids(summary)), parent_ids(summary)[0]) == (MAX_REFERENCES, "89@x")
