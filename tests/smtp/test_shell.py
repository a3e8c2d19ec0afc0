"""What the SMTP server uses of aiosmtpd and asyncio, how it says that it is missing, and who holds whom."""

from typing import Any, get_args, get_type_hints

import pytest

from relay.errors import Misconfigured
from relay.smtp import shell
from relay.smtp.connection import SmtpConnection
from relay.smtp.context import SmtpContext
from relay.smtp.wire import Wire


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


@pytest.mark.parametrize("kind", [SmtpConnection, Wire])
def test_a_connection_and_its_wire_hold_what_they_use_and_inherit_nothing(kind):
    assert (kind, object) == kind.__mro__


def parts(hint):
    """A type and all types it is made of."""
    yield hint
    for each in get_args(hint):
        for inner in each if isinstance(each, list) else [each]:
            yield from parts(inner)


def test_the_context_says_what_admit_and_receive_take_and_return():
    for name, hint in get_type_hints(SmtpContext).items():
        assert not {Any, object} & set(parts(hint)), name
