from dataclasses import fields

import pytest

from store.outbound.edit import NO_EDIT, PendingApprovalEdit, apply
from store.records.outbound import Draft, OutboundAttachment

FILE = OutboundAttachment(filename="a", content_type="text/plain", content=b"a")
DRAFT = Draft(
    to=("a@b.example",),
    cc=("c@b.example",),
    names=(("a@b.example", "A"),),
    subject="s",
    text="t",
    html="h",
    attachments=(FILE,),
)
FIELDS = [field.name for field in fields(DRAFT)]


def test_an_edit_of_nothing_changes_nothing():
    assert (DRAFT, False) == apply(NO_EDIT, DRAFT)


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("subject", ""),
        ("text", ""),
        ("text", None),
        ("html", None),
        ("to", ()),
        ("cc", ()),
        ("names", ()),
        ("attachments", ()),
    ],
)
def test_what_is_emptied_is_empty_and_the_rest_stays(name, empty):
    edited, has_changed = apply(PendingApprovalEdit(**{name: empty}), DRAFT)

    assert (empty, True) == (getattr(edited, name), has_changed)
    assert [name] == [each for each in FIELDS if getattr(edited, each) != getattr(DRAFT, each)]


@pytest.mark.parametrize("name", FIELDS)
def test_what_is_named_as_it_was_is_no_change(name):
    assert (DRAFT, False) == apply(PendingApprovalEdit(**{name: getattr(DRAFT, name)}), DRAFT)


def test_another_file_of_the_same_name_is_a_change():
    other = OutboundAttachment(filename="a", content_type="text/plain", content=b"b")

    assert apply(PendingApprovalEdit(attachments=(other,)), DRAFT)[1]
