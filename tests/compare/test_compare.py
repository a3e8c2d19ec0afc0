"""The mails that `make compare` writes, read by us and by Python's `email`; the other readers need the long run."""

import pytest

from tests.compare.facts import Facts
from tests.compare.generate import make_mail
from tests.compare.readers import FIELDS, by_email, by_mailseal, even_members
from tests.compare.rules import rule_of

pytestmark = pytest.mark.filterwarnings("ignore")
MADE = [make_mail(seed) for seed in range(120)]


def test_a_mail_as_programs_write_it_is_read_as_it_was_meant():
    wrong = {}
    for made in MADE:
        ours = by_mailseal(made.raw)
        meant = even_members(made.truth or {})
        wrong |= {name: (ours[name], value) for name, value in meant.items() if ours[name] != value}

    assert wrong == {}


def test_each_disagreement_with_the_email_package_has_a_class():
    undecided = []
    for made in MADE:
        mail, ours, theirs = Facts(made.raw), by_mailseal(made.raw), by_email(made.raw)
        different = [name for name in FIELDS if ours[name] != theirs[name]]
        undecided += [(made.damage, name) for name in different if not _rule(mail, name, ours, theirs)]

    assert undecided == []


def _rule(mail, name, ours, theirs):
    return rule_of(name, "email", mail, ours[name], theirs[name])
