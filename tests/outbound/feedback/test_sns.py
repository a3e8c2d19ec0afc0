"""Whether SNS posted it: what is signed, by whom, and where the proof may be."""

import json
from datetime import timedelta

import pytest

from relay.errors import UnprovenEvent
from relay.outbound.feedback.sns import (
    MAX_AGE,
    MAX_AHEAD,
    check_message,
    confirmation_url,
    parse_sns,
    verify_message,
)
from tests.outbound.feedback.topic import (
    ARN,
    CERTIFICATE_URL,
    HOST,
    NOW,
    certificate,
    elliptic_certificate,
    posted,
    rsa_key,
    signed,
    subscribe_url,
)

KINDS = ("Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation")


def refused(body, *, now=NOW, by=None):
    """Why *body* is not believed; None where it is."""
    try:
        message = parse_sns(body)
        check_message(message, topic_arn=ARN, now=now)
        verify_message(message, by or certificate(), now=now)
    except UnprovenEvent as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("more", [{}, {"Subject": "Amazon SES Email Event Notification"}, {"Message": 'Grüße\n"x"'}])
def test_what_the_topic_signed_is_believed(kind, version, more):
    assert None is refused(posted(kind, SignatureVersion=version, **more))


def test_a_subject_of_null_is_none():
    fields = {**signed(), "Subject": None}

    assert None is refused(json.dumps(fields).encode())


@pytest.mark.parametrize("field", ["Message", "MessageId", "Timestamp", "Subject"])
def test_what_was_changed_on_the_way_is_not_believed(field):
    changed = signed(Subject="one") | {field: "2026-11-23T15:16:00Z" if field == "Timestamp" else "another"}

    assert "the signature does not match the certificate" == refused(json.dumps(changed).encode())


@pytest.mark.parametrize("field", ["SubscribeURL", "Token"])
def test_a_subscription_that_was_changed_on_the_way_is_not_believed(field):
    changed = signed("SubscriptionConfirmation") | {field: "another"}

    assert "the signature does not match the certificate" == refused(json.dumps(changed).encode())


def test_what_another_signed_is_not_believed():
    assert "the signature does not match the certificate" == refused(posted(key=rsa_key("another's")))


def test_a_subject_that_was_added_is_not_believed():
    assert "the signature does not match the certificate" == refused(json.dumps(signed() | {"Subject": "x"}).encode())


def test_a_notification_cannot_pass_for_a_subscription():
    fields = signed() | {"Type": "SubscriptionConfirmation", "SubscribeURL": subscribe_url(), "Token": "2336"}

    assert "the signature does not match the certificate" == refused(json.dumps(fields).encode())


def test_a_signature_of_the_other_version_is_not_believed():
    assert "the signature does not match the certificate" == refused(
        json.dumps(signed() | {"SignatureVersion": "1"}).encode()
    )


@pytest.mark.parametrize(
    "made",
    [
        lambda: certificate(ends=NOW - timedelta(seconds=1)),
        lambda: certificate(begins=NOW + timedelta(seconds=1)),
    ],
    ids=["over", "not begun"],
)
def test_a_certificate_proves_nothing_outside_of_its_time(made):
    assert "the certificate is expired or not yet valid" == refused(posted(), by=made())


def test_a_certificate_of_another_kind_of_key_proves_nothing():
    assert "the certificate's key is not an RSA key" == refused(posted(), by=elliptic_certificate())


@pytest.mark.parametrize("kind", KINDS)
def test_another_topic_s_message_is_not_taken(kind):
    assert "topic" in refused(posted(kind, TopicArn=ARN.replace("mails", "others")))


@pytest.mark.parametrize("off", [MAX_AGE, -MAX_AHEAD])
def test_a_message_of_another_time_is_not_taken(off):
    now = NOW.replace(second=0)
    body = posted(Timestamp=now.isoformat())

    assert None is refused(body, now=now + off)
    assert "SNS's message is too old, or a clock is wrong" == refused(body, now=now + off * 1.0001)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_time_at_the_end_of_the_calendar_is_another_time(at):
    assert "SNS's message is too old, or a clock is wrong" == refused(posted(Timestamp=at))


@pytest.mark.parametrize(
    ("partition", "region", "url"),
    [
        ("aws", "eu-west-1", "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem"),
        ("aws", "ap-southeast-2", "https://sns.ap-southeast-2.amazonaws.com/x_y-Z.pem"),
        ("aws-us-gov", "us-gov-west-1", "https://sns.us-gov-west-1.amazonaws.com/x.pem"),
        ("aws-cn", "cn-north-1", "https://sns.cn-north-1.amazonaws.com.cn/x.pem"),
    ],
)
def test_a_certificate_is_asked_for_at_sns_in_the_region_of_the_topic(partition, region, url):
    arn = f"arn:{partition}:sns:{region}:123456789012:mails"

    check_message(parse_sns(posted(SigningCertURL=url, TopicArn=arn)), topic_arn=arn, now=NOW)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "HTTPS://SNS.EU-WEST-1.AMAZONAWS.COM/x.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem",
        "https://evil.example/x.pem",
        "https://evil.example#https://sns.eu-west-1.amazonaws.com/x.pem",
        "https://evil.example?https://sns.eu-west-1.amazonaws.com/x.pem",
        "https://evil.example\\@sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
        "https://sns.eu-west-1.amazonaws.com:443@evil.example/x.pem",
        "https://x@sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com:443/x.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
        "https://sns.eu-west-1.amazonaws.com./x.pem",
        "https://sns.eu-west-1.amazonaws.com/x.txt",
        "https://sns.eu-west-1.amazonaws.com/x.pem?y",
        "https://sns.eu-west-1.amazonaws.com/?Action=GetEndpoint&x.pem",
        "https://sns.eu-west-1.amazonaws.com/?x=.pem",
        "https://sns.eu-west-1.amazonaws.com/x.pem#.pem",
        "https://sns.eu-west-1.amazonaws.com/a/../x.pem",
        "https://sns.eu-west-1.amazonaws.com/..%2fx.pem",
        "https://sns.eu-west-1.amazonaws.com//evil.example/x.pem",
        "https://sns.eu-west-1.amazonaws.com/x.pem\n",
        "https://sns.eu-west-1.amazonaws.com/x\r\nHost: evil.example\r\n.pem",
        " https://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.s3.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com/x.pem",
        "https://sns.elb-us-east-1.amazonaws.com/x.pem",
        "https://sns.evil-evil-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.cn/x.pem",
        "https://sns.eu-west-1.amazonaws.com",
        "https://sns.s3-eu-west-1.amazonaws.com/x.pem",
        "https://sns.s3.eu-west-1.amazonaws.com/x.pem",
        "https://sns.amazonaws.com/x.pem",
        "https://sns.evil.amazonaws.com/x.pem",
        "https://xsns.eu-west-1.amazonaws.com/x.pem",
        "https://a.sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.com/x.pem",
        "https://sns.eu-west-1xamazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.cn/x.pem",
        "https://sns.eu-west-\N{FULLWIDTH DIGIT ONE}.amazonaws.com/x.pem",
        "https://sns.eu-west-1.am\u0430zonaws.com/x.pem",
        "//sns.eu-west-1.amazonaws.com/x.pem",
        "file:///etc/ssl/x.pem",
        f"https://sns.eu-west-1.amazonaws.com/{'x' * 201}.pem",
    ],
)
def test_a_certificate_is_asked_for_nowhere_else(url):
    assert "SigningCertURL is not an address of SNS's certificates" == refused(posted(SigningCertURL=url))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "the body cannot be read as JSON"),
        (b"{", "the body cannot be read as JSON"),
        (b"\xff", "the body cannot be read as JSON"),
        (b'{"Type": "\\ud800"}', "the body cannot be read as JSON"),
        (b"[" * 100_000, "the body cannot be read as JSON"),
        (b"null", "the body is no message of SNS (is raw message delivery on?)"),
        (b"[]", "the body is no message of SNS (is raw message delivery on?)"),
        (b'"Notification"', "the body is no message of SNS (is raw message delivery on?)"),
        (b"{}", "not a type of SNS's messages: ''"),
        (b'{"Type": ["Notification"]}', "not a type of SNS's messages: ''"),
        (posted("Other"), "not a type of SNS's messages: 'Other'"),
        (posted(SignatureVersion="3"), "only versions 1 and 2 of SNS's signature are known"),
        (posted(SignatureVersion=None), "only versions 1 and 2 of SNS's signature are known"),
        (posted(SignatureVersion=2), "only versions 1 and 2 of SNS's signature are known"),
        (posted(Timestamp="yesterday"), "Timestamp is no time"),
        (posted(Timestamp="2026-11-23T15:16:59"), "Timestamp is no time"),
        (posted(MessageId=7, Message=["x"]), "SNS's message lacks Message, MessageId"),
        (json.dumps(signed() | {"Signature": "Grüße"}).encode(), "Signature is not base64"),
        (json.dumps(signed() | {"Signature": "a"}).encode(), "Signature is not base64"),
        (json.dumps(signed() | {"Signature": ""}).encode(), "the signature does not match the certificate"),
    ],
)  # fmt: skip
def test_what_sns_would_not_post_is_refused_with_why(body, why):
    assert why == refused(body)


@pytest.mark.parametrize("field", ["Message", "MessageId", "Timestamp", "TopicArn", "SigningCertURL"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_message_without_one_of_its_fields_is_refused(kind, field):
    assert f"SNS's message lacks {field}" == refused(posted(kind, **{field: None}))


def test_a_message_without_a_signature_is_refused():
    fields = signed()
    del fields["Signature"]

    assert "SNS's message lacks Signature" == refused(json.dumps(fields).encode())


@pytest.mark.parametrize("field", ["SubscribeURL", "Token"])
def test_a_subscription_without_one_of_its_fields_is_refused(field):
    assert f"SNS's message lacks {field}" == refused(posted("SubscriptionConfirmation", **{field: None}))


def test_nothing_secret_is_shown_with_a_message():
    shown = repr(parse_sns(posted("SubscriptionConfirmation")))

    assert "2336" not in shown
    assert CERTIFICATE_URL in shown


@pytest.mark.parametrize("url", [subscribe_url(), subscribe_url().replace("arn:aws", "arn%3Aaws")])
def test_a_subscription_begins_where_sns_says(url):
    assert url == confirmation_url(parse_sns(posted("SubscriptionConfirmation", SubscribeURL=url)))


@pytest.mark.parametrize(
    "url",
    [
        "",
        subscribe_url(action="DeleteTopic"),
        subscribe_url(action="ConfirmSubscription&Action=DeleteTopic"),
        subscribe_url(topic=ARN.replace("mails", "others")),
        subscribe_url(token="other"),
        f"{HOST}/?TopicArn={ARN}&Token=2336",
        f"{HOST}/?",
        f"{HOST}/?Action=ConfirmSubscription",
        subscribe_url() + "#x",
        subscribe_url().replace("https", "http"),
        subscribe_url().replace("amazonaws.com", "amazonaws.com.evil.example"),
        subscribe_url().replace("https://", "https://x@"),
        subscribe_url().replace(".com/", ".com:444/"),
        subscribe_url().replace("sns.eu-west-1", "sns.s3"),
        subscribe_url().replace("/?", "/x?"),
        subscribe_url() + "&x=" + "y" * 4000,
    ],
)
def test_a_subscription_begins_nowhere_else(url):
    with pytest.raises(UnprovenEvent, match="SubscribeURL"):
        confirmation_url(parse_sns(posted("SubscriptionConfirmation", SubscribeURL=url)))
