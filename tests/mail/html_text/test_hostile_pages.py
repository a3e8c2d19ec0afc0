"""A page that is made to be slow costs less than a second of CPU, at a megabyte."""

from relay.mail.html_text.read_html import MAX_TAGS, read_html
from tests.cost import SECOND, cost

SIZE = 1_000_000


def filled(piece: str) -> str:
    return piece * (SIZE // len(piece))


def numbered(piece: str) -> str:
    return "".join(piece.replace("#", str(number)) for number in range(SIZE // (len(piece) + 4)))


# What each would make slow is named by its key.
PAGES = {
    "reopened formatting": numbered("<i a#><p>"),
    "crossed formatting": filled("<b><p>x</b>"),
    "attributes of one tag": "<p " + numbered("a#=x "),
    "depth, and end tags of nothing": filled("<div><span>")[: SIZE // 2] + filled("</b></x>")[: SIZE // 2],
    "styles by elements": "<style>" + numbered(".a#{color:red}")[: SIZE // 3] + "</style>" + numbered("<p class=a#>"),
    "braces of a sheet": "<style>" + filled("<style>{"),
    "nested quotes": filled("<a b='\">"),
    "opened raw elements": filled("<title><textarea>"),
    "tables in tables": filled("<table><tr><td>"),
    "links": numbered("<a href=https://x#.example/#>b.example</a>"),
    "hidden words": filled("<b hidden>x</b>y"),
}


def test_a_hostile_page_costs_less_than_a_second_of_an_ordinary_machine():
    costs = {name: cost(lambda page=page: read_html(page), rounds=2) for name, page in PAGES.items()}

    assert {name: spent for name, spent in costs.items() if spent >= SECOND} == {}


def test_tags_beyond_the_bound_are_not_read_and_that_is_said():
    assert read_html("<p>x" * MAX_TAGS).truncated
    assert not read_html("<p>x" * 1000).truncated
