"""What SES publishes of a mail, in the shape of its own examples."""

import json

BO, CY = "bo@reader.example", "cy@reader.example"
PROVIDER_ID = "010001-7c44f053b-000000"
AT = "2026-11-23T15:16:30.000Z"


def mail(attempt=None, message_id=None, **changes):
    fields = {
        "timestamp": "2026-11-23T15:16:02.012Z",
        "source": "bot@agents.example",
        "sendingAccountId": "123456789012",
        "messageId": PROVIDER_ID,
        "destination": [BO, CY],
        "headersTruncated": False,
        "headers": [{"name": "From", "value": "bot@agents.example"}],
        "commonHeaders": {"from": ["bot@agents.example"], "subject": "hi"},
        "tags": {"ses:operation": ["SendRawEmail"]},
    }
    if attempt is not None:
        fields["tags"]["mailseal-attempt"] = [attempt]
    if message_id is not None:
        fields["headers"].append({"name": "X-Mailseal-Message-Id", "value": message_id})
    return fields | changes


def send(**more):
    return {"eventType": "Send", "mail": mail(**more), "send": {}}


def delivery(*recipients, **more):
    told = {"timestamp": AT, "processingTimeMillis": 3980, "recipients": list(recipients) or [BO]}
    told |= {"smtpResponse": "250 ok: Message 64111812 accepted", "reportingMTA": "a8-70.smtp-out.amazonses.com"}
    return {"eventType": "Delivery", "mail": mail(**more), "delivery": told}


def bounce(*recipients, kind="Permanent", feedback_id="0100-bounce", **more):
    back = [
        {"emailAddress": each, "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 unknown"}
        for each in recipients or [BO]
    ]
    told = {"bounceType": kind, "bounceSubType": "General", "bouncedRecipients": back, "timestamp": AT}
    return {"eventType": "Bounce", "mail": mail(**more), "bounce": told | {"feedbackId": feedback_id}}


def complaint(*recipients, feedback_type="abuse", feedback_id="0100-complaint", **more):
    told = {
        "complainedRecipients": [{"emailAddress": each} for each in recipients or [BO]],
        "timestamp": AT,
        "feedbackId": feedback_id,
        "userAgent": "Amazon SES Mailbox Simulator",
        "complaintFeedbackType": feedback_type,
    }
    return {"eventType": "Complaint", "mail": mail(**more), "complaint": told}


def delay(*recipients, at=AT, **more):
    late = [
        {"emailAddress": each, "status": "4.4.1", "diagnosticCode": "smtp; 421 4.4.1 no route"}
        for each in recipients or [BO]
    ]
    told = {"timestamp": at, "delayType": "TransientCommunicationFailure", "delayedRecipients": late}
    return {"eventType": "DeliveryDelay", "mail": mail(**more), "deliveryDelay": told}


def reject(**more):
    return {"eventType": "Reject", "mail": mail(**more), "reject": {"reason": "Bad content"}}


def rendering_failure(**more):
    told = {"errorMessage": "Attribute 'name' is not present", "templateName": "MyTemplate"}
    return {"eventType": "Rendering Failure", "mail": mail(**more), "failure": told}


def as_notification(event):
    """The older form, of an identity's notifications: no tags, and another name for the type."""
    older = {"notificationType": event["eventType"], **{name: event[name] for name in event if name != "eventType"}}
    return older | {"mail": {name: value for name, value in event["mail"].items() if name != "tags"}}


def text(event):
    return json.dumps(event)
