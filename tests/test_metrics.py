"""What is counted."""

from platform import python_version

import pytest

from relay.metrics import CONTENT_TYPE, Metrics, program_version


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


def samples(metrics: Metrics) -> list[str]:
    return metrics.render().decode().splitlines()


def test_a_bound_is_counted_by_its_name():
    metrics = Metrics()

    metrics.count_bound("smtp_connections")

    assert 'mailseal_bounds_total{bound="smtp_connections"} 1.0' in samples(metrics)


def test_replies_handshakes_and_verdicts_are_counted_by_what_they_were():
    metrics = Metrics()

    metrics.count_reply(354, None)
    metrics.count_reply(451, "4.3.0")
    metrics.count_reply(451, "4.3.0")
    metrics.count_tls("TLSv1.3", "ok")
    metrics.count_tls(None, "failed")
    metrics.count_verdict("pass", verified=True)

    assert {
        'mailseal_smtp_replies_total{code="354",enhanced=""} 1.0',
        'mailseal_smtp_replies_total{code="451",enhanced="4.3.0"} 2.0',
        'mailseal_smtp_tls_total{result="ok",version="TLSv1.3"} 1.0',
        'mailseal_smtp_tls_total{result="failed",version=""} 1.0',
        'mailseal_verdicts_total{dmarc="pass",verified="true"} 1.0',
    } <= set(samples(metrics))


def test_times_are_histograms():
    metrics = Metrics()

    metrics.observe_accept(0.03)
    metrics.observe_commit(0.2, 3)
    metrics.observe_dns(4)
    metrics.count_attempt("delivered", 7)

    assert {
        'mailseal_accept_seconds_bucket{le="0.05"} 1.0',
        'mailseal_commit_seconds_bucket{le="0.25"} 1.0',
        'mailseal_commit_units_bucket{le="4.0"} 1.0',
        'mailseal_dns_seconds_bucket{le="5.0"} 1.0',
        'mailseal_delivery_seconds_bucket{le="30.0",outcome="delivered"} 1.0',
    } <= set(samples(metrics))


def test_a_gauge_is_read_at_each_scrape_and_has_no_sample_without_a_value():
    metrics = Metrics()
    values = iter([2.0, 5.0, None])
    metrics.watch("smtp_sessions", lambda: next(values))
    metrics.watch("sends", lambda: {"queued": 3.0})

    assert {"mailseal_smtp_sessions 2.0", 'mailseal_sends{status="queued"} 3.0'} <= set(samples(metrics))
    assert "mailseal_smtp_sessions 5.0" in samples(metrics)
    assert not [line for line in samples(metrics) if line.startswith("mailseal_smtp_sessions ")]


def test_no_series_tells_when_another_was_created():
    assert b"_created" not in Metrics().render()


def test_the_program_tells_its_version():
    assert f'mailseal_build_info{{python="{python_version()}",version="{program_version()}"}} 1.0' in samples(Metrics())
