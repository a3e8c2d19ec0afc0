"""A short siege: some attacks on one relay, one after the other, beside a witness that nothing may be refused."""

from pathlib import Path

import pytest

from tests.siege.attacks import ATTACKS
from tests.siege.besieged import besieged
from tests.siege.siege import MOST_MEGABYTES, Siege
from tests.siege.witness import Hook

SHORT = ("one_address", "many_fields", "half_heads", "many_fields_of_json", "endless_interim_answers")
LEAST_SECONDS = 1.2
MOST_SECONDS = 40  # on a busy machine, until the bound is reached
OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


@pytest.mark.timeout(180)
async def test_no_request_of_the_witness_is_refused_at_any_bound():
    hook = Hook()
    with besieged(await hook.start()) as relay:
        siege = Siege(relay, hook)
        await siege.warm_up()
        reports = [await siege.attack_until_bound(ATTACKS[name], LEAST_SECONDS, MOST_SECONDS) for name in SHORT]
    await hook.stop()

    assert {name: [] for name in SHORT} == {report.name: list(report.refused) for report in reports}
    assert [] == [report.name for report in reports if not report.has_moved]
    assert [] == [(each.name, each.megabytes) for each in reports if each.megabytes > MOST_MEGABYTES]
    assert [] == [report.name for report in reports if not report.requests]


def test_operations_lists_each_attack():
    text = OPERATIONS.read_text()

    assert [] == [name for name in ATTACKS if f"| `{name}` |" not in text]


def test_operations_lists_each_bound_that_an_attack_meets():
    text = OPERATIONS.read_text()
    bounds = {bound for attack in ATTACKS.values() for bound in attack.bounds if "{" not in bound}

    assert [] == sorted(bound for bound in bounds if f"| `{bound}`" not in text)
