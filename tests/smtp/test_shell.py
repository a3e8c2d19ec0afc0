"""What the door leans on, and how it says that it is not there."""

import pytest

from relay.errors import Misconfigured
from relay.smtp import shell


def test_what_is_installed_has_all_the_shell_needs():
    shell.check_shell()


def test_every_private_name_is_looked_for():
    assert "_buffer" in shell._names(shell.StreamReader)
    assert "_nothing" not in shell._names(shell.StreamReader)


class Bare:
    def __init__(self):
        self.left = 1


def test_a_missing_attribute_is_named():
    with pytest.raises(Misconfigured, match=r"Bare\.gone"):
        shell.check_shell(attributes=((Bare, "left"), (Bare, "gone")))


def test_another_version_is_named():
    with pytest.raises(Misconfigured, match=r"needs aiosmtpd 1\.4\.6 and not 1\.4\.7"):
        shell.check_shell(version="1.4.7")


def test_a_missing_method_is_named():
    with pytest.raises(Misconfigured, match=r"SMTP\._no_such_method"):
        shell.check_shell(methods=("_no_such_method",))
