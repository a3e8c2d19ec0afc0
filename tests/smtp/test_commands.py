"""The grammar of commands: what is taken, in which form, and what is refused with which reply."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mail.address import Address
from relay.smtp import commands as c
from relay.smtp import replies
from relay.smtp.commands import parse_command
from relay.smtp.grammar import SyntaxRefused
from relay.smtp.replies import Reply
from tests.cost import SECOND, cost


def refusal(line, **state):
    with pytest.raises(SyntaxRefused) as refused:
        parse_command(line, **state)
    return refused.value.reply


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"EHLO mx.example.com", c.Ehlo("mx.example.com")),
        (b"ehlo localhost", c.Ehlo("localhost")),
        (b"EHLO my_host.Example. ", c.Ehlo("my_host.Example.")),
        (b"EHLO [192.0.2.1]", c.Ehlo("[192.0.2.1]")),
        (b"EHLO [IPv6:2001:db8::1]", c.Ehlo("[IPv6:2001:db8::1]")),
        (b"HELO 192.0.2.1", c.Helo("192.0.2.1")),
        (b"DATA", c.Data()),
        (b"data \t", c.Data()),
        (b"RSET", c.Rset()),
        (b"QUIT", c.Quit()),
        (b"STARTTLS", c.StartTls()),
        (b"NOOP", c.Noop()),
        (b"NOOP whatever \xff", c.Noop()),
        (b"VRFY <bot@here.example>", c.Vrfy()),
        (b"EXPN list", c.Expn()),
        (b"HELP MAIL", c.Help()),
        (b"BDAT 0 LAST", c.Bdat(0, last=True)),
        (b"BDAT 86", c.Bdat(86, last=False)),
        (b"bdat 99999999999999999999 last", c.Bdat(99999999999999999999, last=True)),
        (b"TURN", c.Unknown(replies.NOT_IMPLEMENTED)),
        (b"ETRN example.com", c.Unknown(replies.NOT_IMPLEMENTED)),
        (b"AUTH PLAIN AGEAYg==", c.Unknown(replies.NOT_IMPLEMENTED)),
        (b"XCLIENT ADDR=1.2.3.4", c.Unknown(replies.NOT_A_COMMAND)),
        (b"EHLO\thost", c.Ehlo("host")),
        (b"EHLO  host", c.Ehlo("host")),
        (b"EHLO [2001:db8::19]", c.Ehlo("[2001:db8::19]")),
        (b"EHLO [::1]", c.Ehlo("[::1]")),
        (b"MAIL  FROM:<a@b.example>", c.MailFrom(Address("a", "b.example"), None, smtputf8=False)),
        (b"BDAT " + b"9" * 40, c.Bdat(10**20, last=False)),
        (b"MAILFROM:<a@b.example>", c.Unknown(replies.NOT_A_COMMAND)),
    ],
)
def test_a_command_is_read_as_a_value(line, command):
    assert command == parse_command(line)


@pytest.mark.parametrize(
    ("path", "address"),
    [
        (b"<a@b.example>", Address("a", "b.example")),
        (b" <a@b.example>", Address("a", "b.example")),
        (b"  <a@b.example>", Address("a", "b.example")),
        (b"\t<a@b.example>", Address("a", "b.example")),
        (b"<a@b.example.>", Address("a", "b.example")),
        (b"<A.b+Tag@B.Example>", Address("A.b+Tag", "b.example")),
        (b'<"bot"@b.example>', Address("bot", "b.example")),
        (b'<"b\\ot"@b.example>', Address("bot", "b.example")),
        (b'<"a b"@b.example>', Address("a b", "b.example")),
        (b'<"x@evil.example"@b.example>', Address("x@evil.example", "b.example")),
        (b'<"a\\"b\\\\c"@b.example>', Address('a"b\\c', "b.example")),
        (b"<@one.example,@two.example:a@b.example>", Address("a", "b.example")),
        (b"<a@[192.0.2.1]>", Address("a", "[192.0.2.1]")),
        (b"<a@[ipv6:2001:DB8:0::1]>", Address("a", "[IPv6:2001:db8::1]")),
        (b"<a%b.example@c.example>", Address("a%b.example", "c.example")),
        (b"<!#$%&'*+/=?^_`{|}~-@b.example>", Address("!#$%&'*+/=?^_`{|}~-", "b.example")),
        (b"<a@xn--mnchen-3ya.example>", Address("a", "xn--mnchen-3ya.example")),
        (b"<" + b"l" * 255 + b"@b.example>", Address("l" * 255, "b.example")),
        (b"<a@under_score.example>", Address("a", "under_score.example")),
    ],
)
def test_a_path_is_brought_into_one_form(path, address):
    assert c.MailFrom(address, None, smtputf8=False) == parse_command(b"MAIL FROM:" + path)
    assert c.RcptTo(address) == parse_command(b"rcpt to:" + path)


BAD_PATHS = [
    b"",
    b"<",
    b"<>x",
    b"<<>>",
    b"a@b.example",
    b"<a@b.example",
    b"a@b.example>",
    b"<a@b.example>>",
    b"< a@b.example>",
    b"<a@b.example >",
    b"<a @b.example>",
    b"<a\tb@b.example>",
    b"<a\0@b.example>",
    b"<\x7fa@b.example>",
    b"<alice>",
    b"<a@>",
    b"<@b.example>",
    b"<user@@b.example>",
    b'<"@x.example>',
    b'<""leftover@x.example>',
    b'<""@x.example>',
    b'<"a"b@x.example>',
    b'<"a\tb"@x.example>',
    b"<a..b@b.example>",
    b"<.a@b.example>",
    b"<a.@b.example>",
    b"<a@b..example>",
    b"<a@.example>",
    b"<a@b.example..>",
    b"<a@.>",
    b"<a@-bad-.example>",
    b"<a@b.example;c>",
    b"<a(comment)@b.example>",
    b"<a@b.example(comment)>",
    b"<a@[192.0.2.256]>",
    b"<a@[IPv6:zz::1]>",
    b"<a@[IPv6:fe80::1%eth0]>",
    b"<a@[2001:db8::1]>",
    b"<a@[x:y]>",
    b"<a@[]>",
    b"<@one.example:a>",
    b"<@:a@b.example>",
    b"<@one.example a@b.example>",
    b"<" + b"l" * 256 + b"@b.example>",
    b"<a@" + b"d." * 126 + b"toolong>",
    b"<a@" + b"d" * 64 + b".example>",
    b"<a@b.example>SIZE=1",
    b"Ana <a@b.example>",
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_bad_path_is_a_syntax_error(path):
    assert refusal(b"MAIL FROM:" + path).code == 501
    assert refusal(b"RCPT TO:" + path).code == 501


@pytest.mark.parametrize("line", [b"MAIL", b"MAIL <a@b.example>", b"MAIL TO:<a@b.example>", b"MAIL FROM <a@b.example>"])
def test_mail_needs_its_keyword(line):
    assert replies.BAD_SENDER == refusal(line)


@pytest.mark.parametrize("line", [b"RCPT", b"RCPT <a@b.example>", b"RCPT FROM:<a@b.example>", b"RCPT TO:<>"])
def test_rcpt_needs_its_keyword_and_an_address(line):
    assert replies.BAD_RECIPIENT == refusal(line)


def test_the_null_path_sends_and_does_not_receive():
    assert c.MailFrom(None, None, smtputf8=False) == parse_command(b"MAIL FROM:<>")


@pytest.mark.parametrize("word", [b"Postmaster", b"postmaster", b"POSTMASTER"])
def test_postmaster_needs_no_domain_to_receive(word):
    assert c.RcptTo(Address("postmaster", "")) == parse_command(b"RCPT TO:<" + word + b">")
    assert replies.BAD_SENDER == refusal(b"MAIL FROM:<" + word + b">")


@pytest.mark.parametrize(
    ("parameters", "size", "smtputf8"),
    [
        (b" SIZE=1000", 1000, False),
        (b" size=0 body=8bitmime", 0, False),
        (b"  BODY=7BIT", None, False),
        (b" SMTPUTF8 SIZE=99999999999999999999", 99999999999999999999, True),
        (b" ", None, False),
    ],
)
def test_parameters_of_mail_are_read(parameters, size, smtputf8):
    assert c.MailFrom(None, size, smtputf8=smtputf8) == parse_command(b"MAIL FROM:<>" + parameters)


@pytest.mark.parametrize(
    ("parameters", "reply"),
    [
        (b" SIZE", replies.BAD_PARAMETER),
        (b" SIZE=", replies.BAD_PARAMETER),
        (b" SIZE=-1", replies.BAD_PARAMETER),
        (b" SIZE=+1", replies.BAD_PARAMETER),
        (b" SIZE=1_0", replies.BAD_PARAMETER),
        ("SIZE=²".encode(), replies.BAD_SENDER),
        (" SMTPUTF8 SIZE=²".encode(), replies.BAD_PARAMETER),
        (" SMTPUTF8 SIZE=\u0661".encode(), replies.BAD_PARAMETER),
        (b" SIZE=111111111111111111111", replies.BAD_PARAMETER),
        (b" SIZE=1 SIZE=1", replies.BAD_PARAMETER),
        (b" SIZE=1 size=2", replies.BAD_PARAMETER),
        (b" BODY", replies.BAD_PARAMETER),
        (b" BODY=BINARYMIME", replies.BAD_PARAMETER),
        (b" SMTPUTF8=yes", replies.BAD_PARAMETER),
        (b" =1", replies.BAD_PARAMETER),
        (b" A=b=c", replies.BAD_PARAMETER),
        (b" SIZE=1\x01", replies.BAD_PARAMETER),
        (b" RET=FULL", replies.UNKNOWN_PARAMETER),
        (b" AUTH=a@b.example", replies.UNKNOWN_PARAMETER),
        (b" AUTH", replies.UNKNOWN_PARAMETER),
        (b" ENVID=x SIZE=1", replies.UNKNOWN_PARAMETER),
    ],
)
def test_a_bad_parameter_of_mail_is_refused(parameters, reply):
    path = b"MAIL FROM:<>" if parameters.startswith(b" ") else b"MAIL FROM:<a@b.example>"
    expected = replies.BAD_ARGUMENT if reply is replies.BAD_SENDER else reply
    assert expected == refusal(path + parameters)


def test_an_unknown_author_in_auth_is_ignored():
    assert c.MailFrom(Address("a", "b.example"), 9, smtputf8=False) == parse_command(
        b"MAIL FROM:<a@b.example> AUTH=<> SIZE=9"
    )


def test_rcpt_takes_no_parameter():
    assert replies.UNKNOWN_PARAMETER == refusal(b"RCPT TO:<a@b.example> NOTIFY=NEVER")


@pytest.mark.parametrize("path", ["<ünï@b.example>", "<a@bücher.example>", '<"ü b"@b.example>'])
def test_a_wide_address_needs_smtputf8(path):
    assert replies.NEED_SMTPUTF8 == refusal(f"MAIL FROM:{path}".encode())
    assert replies.NEED_SMTPUTF8 == refusal(f"RCPT TO:{path}".encode())


def test_a_wide_address_is_taken_with_smtputf8():
    wide = Address("ünï", "xn--bcher-kva.example")

    assert c.MailFrom(wide, None, smtputf8=True) == parse_command("MAIL FROM:<ünï@bücher.example> SMTPUTF8".encode())
    assert c.RcptTo(wide) == parse_command("RCPT TO:<ünï@BÜCHER.example>".encode(), smtputf8=True)


@pytest.mark.parametrize(
    "path",
    [
        b"<\xff@b.example>",
        "<a\u2028b@b.example>".encode(),
        "<a\u0085b@b.example>".encode(),
        "<a@b.example\u3000>".encode(),
        b"<a@\xed\xa0\x80.example>",
    ],
)
def test_octets_that_are_no_text_are_refused_with_smtputf8_too(path):
    assert replies.BAD_RECIPIENT == refusal(b"RCPT TO:" + path, smtputf8=True)


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"x@a.com; dmarc=pass header.from=bank.com",
        b"a b",
        b"a..b",
        b".a",
        b"(x)",
        b"a\x00b",
        "ü.example".encode(),
        b"[1.2.3]",
        b"[1.2.3.4",
        b"[]",
        b"<a>",
        b"a" * 256,
        b"a/b",
        b"[IPv6:x]",
    ],
)
def test_a_junk_helo_name_is_refused(name):
    assert replies.BAD_HELO == refusal(b"EHLO " + name)
    assert replies.BAD_HELO == refusal(b"HELO " + name)


@pytest.mark.parametrize("verb", [b"DATA", b"RSET", b"QUIT", b"STARTTLS"])
def test_a_command_without_argument_refuses_one(verb):
    assert replies.NO_ARGUMENT == refusal(verb + b" x")


@pytest.mark.parametrize(
    "argument", [b"", b"x", b"-1", b"1 FIRST", b"1 LAST x", b"1  LAST", b"LAST", b"1_0", b"9" * 21 + b"x", "²".encode()]
)
def test_a_bdat_of_unknown_size_ends_the_connection(argument):
    assert replies.BAD_BDAT == refusal(b"BDAT " + argument)
    assert replies.BAD_BDAT.closes


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"POST /x HTTP/1.1", b"CONNECT a:25 HTTP/1.0", b"options *"])
def test_http_ends_the_connection(line):
    assert replies.HTTP_SPOKEN == refusal(line)
    assert replies.HTTP_SPOKEN.closes


@pytest.mark.parametrize("line", [b"\x16\x03\x01", b"123", b"<xml/>", b"\xff\xfe", b"{}", b"-"])
def test_what_starts_with_no_letter_is_not_smtp(line):
    assert replies.NOT_SMTP == refusal(line)


@pytest.mark.parametrize("line", [b"", b" ", b"\t"])
def test_an_empty_line_is_an_error_that_does_not_end_the_connection(line):
    assert replies.EMPTY_LINE == refusal(line)


HOSTILE = [b"<@a,", b'<"\\', b"a.", b"<", b"@a", b'"', b"[", b" X=", b"a" * 50, b"\xc3\xbc", b"xn--", b"\0"]


@given(
    line=st.one_of(
        st.binary(max_size=80),
        st.builds(
            lambda verb, parts: verb + b"".join(parts),
            st.sampled_from([b"MAIL FROM:", b"RCPT TO:", b"EHLO ", b"BDAT ", b"MAIL FROM:<>", b""]),
            st.lists(st.sampled_from([*HOSTILE, b"<a", b"b.c>", b"LAST", b" SIZE=1", b" SMTPUTF8", b":", b"1"])),
        ),
        st.builds(lambda text: f"RCPT TO:<{text}@{text}.example>".encode(errors="ignore"), st.text(max_size=12)),
    ),
    smtputf8=st.booleans(),
)
@settings(max_examples=300)
def test_no_line_raises_anything_but_a_refusal(line, smtputf8):
    try:
        command = parse_command(line, smtputf8=smtputf8)
    except SyntaxRefused as refused:
        command = refused.reply
    if isinstance(command, Reply):
        assert command.code in {500, 501, 502, 553, 555}
    elif isinstance(command, c.RcptTo) and command.recipient.domain:
        assert command == parse_command(f"RCPT TO:<{command.recipient}>".encode(), smtputf8=True)


@pytest.mark.parametrize("part", HOSTILE)
def test_a_long_hostile_line_is_refused_in_no_time(part):
    def refuse_all():
        for prefix in (b"MAIL FROM:", b"MAIL FROM:<", b"RCPT TO:<a@", b"MAIL FROM:<>", b"EHLO "):
            refusal(prefix + part * (20_000 // len(part)), smtputf8=True)

    assert cost(refuse_all) < SECOND
