"""`mailseal doctor`, by hand."""

import json


def test_what_fails_is_told_and_makes_the_command_fail(cli):
    result = cli.run("doctor", "--json", MAILSEAL_HTTP_LISTEN="127.0.0.1:9", MAILSEAL_SMTP_LISTEN="127.0.0.1:9")

    found = {each["name"]: each for each in json.loads(result.stdout)["findings"]}
    assert (1, "failing") == (result.exit_code, found["nameserver 127.0.0.1 port 9"]["state"])
    assert ("ok", "ok") == (found["database"]["state"], found["master key"]["state"])
    assert {"name", "state", "seen", "remedy"} == found["database"].keys()


def test_warnings_alone_are_no_failure(cli, nameserver):
    zone = {
        ("mx.here.example", "A"): ["192.0.2.1"],
        ("agents.example", "MX"): ["10 mx.here.example"],
    }
    settings = {"MAILSEAL_DNS_NAMESERVERS": nameserver(zone), "MAILSEAL_HTTP_LISTEN": "127.0.0.1:9"}
    cli.settings |= settings

    result = cli.run("doctor", MAILSEAL_SMTP_LISTEN="127.0.0.1:9")

    assert 0 == result.exit_code, result.output
    assert "warning  certificate: no certificate is set" in result.stdout


def test_a_bad_setting_is_a_finding(cli):
    result = cli.run("doctor", MAILSEAL_HTTP_LISTEN="nowhere")

    assert (1, None) == (result.exit_code, result.exception and result.exception.__cause__)
    assert "failing  settings: MAILSEAL_HTTP_LISTEN" in result.stdout
