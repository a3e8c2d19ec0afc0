"""What is counted."""

import pytest

from relay.metrics import CONTENT_TYPE, Metrics


@pytest.mark.parametrize("outcome", ["accepted", "refused", "deferred", "failed"])
def test_mails_are_counted_by_what_was_answered(outcome):
    metrics = Metrics()

    metrics.count_mail(outcome)
    metrics.count_mail(outcome)

    assert f'mailseal_mails_total{{outcome="{outcome}"}} 2.0' in metrics.render().decode().splitlines()


@pytest.mark.parametrize("outcome", ["delivered", "later", "dead", "gone"])
def test_attempts_are_counted_by_what_followed(outcome):
    metrics = Metrics()

    metrics.count_attempt(outcome)

    assert f'mailseal_delivery_attempts_total{{outcome="{outcome}"}} 1.0' in metrics.render().decode().splitlines()


def test_two_daemons_of_one_process_count_apart():
    one, other = Metrics(), Metrics()

    one.count_mail("accepted")

    assert b'mailseal_mails_total{outcome="accepted"} 0.0' in other.render()


def test_the_process_is_told_too():
    assert b"process_cpu_seconds_total" in Metrics().render()


def test_the_text_is_of_prometheus_own_type():
    assert CONTENT_TYPE.startswith("text/plain; version=")
