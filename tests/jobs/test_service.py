"""The daemon as a process under a service manager: reload, watchdog, sockets, what it tells of itself."""

import os
import signal
import smtplib
import socket
import ssl
import threading
import urllib.request

import pytest
import trustme

from relay.metrics import program_version
from tests.daemon_process import DaemonProcess
from tests.journeys.home import Home

NAME = "mx.here.example"


class Manager:
    """The service manager's end of NOTIFY_SOCKET: keeps the states it was sent."""

    def __init__(self, path):
        self.states, self._changed = [], threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            states = self._socket.recv(4096).decode().split("\n")
            with self._changed:
                self.states.extend(states)
                self._changed.notify_all()

    def wait_for(self, state, *, since=0):
        with self._changed:
            assert self._changed.wait_for(lambda: state in self.states[since:], 30), (state, self.states)


@pytest.fixture
def manager(tmp_path):
    return Manager(str(tmp_path / "notify"))


@pytest.fixture
def home(tmp_path, sqlite_file_url):
    more = {"MAILSEAL_RETENTION_SWEEP_SECONDS": "600", "NOTIFY_SOCKET": str(tmp_path / "notify")}
    made = Home(tmp_path / "data", sqlite_file_url, "127.0.0.1:9", more)
    yield made
    made.close()


@pytest.fixture
def config(tmp_path):
    return tmp_path / "mailseal.toml"


@pytest.fixture
def pem(tmp_path):
    return tmp_path / "mx.pem"


def write_certificate(file):
    """A new certificate in *file*, and the context of a client that trusts only its authority."""
    authority = trustme.CA()
    authority.issue_cert(NAME).private_key_and_cert_chain_pem.write_to_path(str(file))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def secure(client, context):
    client._host = NAME
    client.starttls(context=context)


def reload(daemon, event="settings_reloaded"):
    since = len(daemon.log)
    os.kill(daemon.pid, signal.SIGHUP)
    return daemon.wait_for(event, since=since)


def metrics_of(daemon):
    with urllib.request.urlopen("http://{}:{}/metrics".format(*daemon.http), timeout=20) as answer:
        return answer.read().decode().splitlines()


def test_the_first_line_tells_version_store_provider_and_revision(home, manager):
    with home.process() as daemon:
        (line,) = [line for line in daemon.log if line["event"] == "daemon_started"]

        assert (program_version(), "none") == (line["version"], line["outbound"])
        assert line["store"].startswith("sqlite /")
        assert line["revision"].isdigit()
        manager.wait_for("READY=1")
        assert 0 == daemon.stop()
    assert "STOPPING=1" in manager.states


def test_a_hangup_reads_settings_and_certificates_again_and_drops_nothing(home, manager, config, pem):
    before = write_certificate(pem)
    config.write_text(f'tls_cert_file = "{pem}"\ntls_key_file = "{pem}"\nlog_level = "info"\nsmtp_max_errors = 5\n')
    process = DaemonProcess(home.environment, config=config)
    with process as daemon, smtplib.SMTP(*daemon.smtp, timeout=20) as kept:
        secure(kept, before)
        after = write_certificate(pem)
        config.write_text(config.read_text().replace('"info"', '"debug"') + "max_connections = 7\nmax_recipients = 3\n")
        line = reload(daemon)

        assert {"MAILSEAL_LOG_LEVEL", "MAILSEAL_MAX_RECIPIENTS"} == set(line["changed"])
        assert ["MAILSEAL_MAX_CONNECTIONS"] == line["needs_restart"]
        manager.wait_for("RELOADING=1")
        manager.wait_for("READY=1", since=manager.states.index("RELOADING=1"))
        assert 250 == kept.noop()[0]
        with smtplib.SMTP(*daemon.smtp, timeout=20) as client:
            secure(client, after)
            assert "RCPTMAX=3" in client.ehlo()[1].decode()
            client.close()
        daemon.wait_for("session_ended")  # a debug line


def test_new_values_that_are_wrong_keep_the_old_ones(home, manager, config, pem):
    trusted = write_certificate(pem)
    config.write_text(f'tls_cert_file = "{pem}"\ntls_key_file = "{pem}"\n')
    with DaemonProcess(home.environment, config=config) as daemon:
        good = config.read_text()
        for bad, cause in (("max_recipients = 0\n", "MAX_RECIPIENTS"), ("[", "not TOML"), ("no_such = 1\n", "NO_SUCH")):
            config.write_text(good + bad)
            assert cause in reload(daemon, "reload_failed")["error"]
        config.write_text(good.replace("mx.pem", "gone.pem"))
        assert "gone.pem" in reload(daemon, "reload_failed")["error"]

        with smtplib.SMTP(*daemon.smtp, timeout=20) as client:
            secure(client, trusted)
        config.write_text(good)
        assert [] == reload(daemon)["changed"]


def test_sockets_of_systemd_are_used_and_outlive_the_daemon(home):
    with socket.create_server(("127.0.0.1", 0)) as smtp, socket.create_server(("127.0.0.1", 0)) as http:
        process = DaemonProcess(home.environment, sockets={"http": http, "smtp": smtp})
        with process as daemon:
            assert (smtp.getsockname(), http.getsockname()) == (daemon.smtp, daemon.http)
            with smtplib.SMTP(*smtp.getsockname(), timeout=20) as client:
                assert 250 == client.noop()[0]
            assert any(line.startswith("mailseal_build_info{") for line in metrics_of(daemon))
            assert 0 == daemon.stop()
            waiting = smtplib.SMTP(timeout=60)
            greeted = threading.Thread(target=waiting.connect, args=smtp.getsockname())
            greeted.start()  # while no daemon runs, the client waits instead of being refused
            daemon.start()
            greeted.join(60)
            assert 250 == waiting.noop()[0]
            waiting.close()


def test_a_socket_of_an_unknown_name_ends_the_start_with_the_remedy(home):
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = DaemonProcess(home.environment, sockets={"mailseal.socket": other})
        with pytest.raises(AssertionError, match="daemon_started"):
            process.start()
        assert 78 == process.ended()
        assert "FileDescriptorName=smtp" in "".join(process.noise)


def test_the_watchdog_is_fed_while_the_loop_runs_and_not_while_the_process_is_stopped(home, manager):
    with DaemonProcess(home.environment | {"WATCHDOG_USEC": "400000"}) as daemon:
        manager.wait_for("WATCHDOG=1")
        os.kill(daemon.pid, signal.SIGSTOP)
        since = len(manager.states)
        try:
            with manager._changed:  # one datagram may have been under way
                assert not manager._changed.wait_for(lambda: "WATCHDOG=1" in manager.states[since + 1 :], 1)
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        manager.wait_for("WATCHDOG=1", since=len(manager.states))


def test_a_running_daemon_has_a_value_for_each_gauge(home, pem):
    write_certificate(pem)
    tls = {"MAILSEAL_TLS_CERT_FILE": str(pem), "MAILSEAL_TLS_KEY_FILE": str(pem)}
    with DaemonProcess(home.environment | tls) as daemon, smtplib.SMTP(*daemon.smtp, timeout=20) as client:
        client.ehlo()
        names = {"deliveries_due", "deliveries_dead", "queue_visible", "holds_waiting", "sending_paused"}
        names |= {"smtp_sessions", "dns_cache_bytes", "loop_lag_seconds", "certificate_expiry_timestamp_seconds"}
        names |= {"delivery_oldest_due_seconds", "holds_oldest_seconds"}
        for _ in range(100):
            shown = dict(line.rsplit(" ", 1) for line in metrics_of(daemon) if line.startswith("mailseal_"))
            if names <= {name.removeprefix("mailseal_") for name in shown}:
                break
            threading.Event().wait(0.2)
        else:
            pytest.fail(f"no value of {names - {name.removeprefix('mailseal_') for name in shown}}")

        assert "1.0" == shown["mailseal_smtp_sessions"]
        assert float(shown["mailseal_certificate_expiry_timestamp_seconds"]) > 1_000_000_000
        assert float(shown["mailseal_commit_seconds_count"]) > 0
        assert "1.0" == shown['mailseal_smtp_replies_total{code="220",enhanced=""}']
