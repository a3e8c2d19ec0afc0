"""The words of pages that real mail programs write, beside the text that Chromium shows of them.

Compared without what `text` has on purpose and a browser has not: targets of links, marks of lists and quotes.
Words that only colour, size or place hide are shown by `innerText`, so they are taken from `hidden`.
"""

import re
from collections import Counter
from pathlib import Path

import pytest

from relay.mail.html_text.read_html import read_html
from tests.journeys.browser import open_browser

PAGES = dict(
    part.split("\n", 1) for part in Path(__file__).with_name("pages.html").read_text("utf-8").split("=== ")[1:]
)
AGREEMENT = 0.98  # of the words of a page
# A person reads the alternative text where a picture is not loaded, and a browser's `innerText` leaves it out.
SHOWN = """() => {
  for (const picture of document.querySelectorAll('img[alt]'))
    if (picture.width > 1) picture.replaceWith(' ' + picture.alt + ' ');
  return document.body.innerText;
}"""
LIST_MARK = re.compile(r"(?m)^[> ]*(?:- |\d+\. )?")
QUIET = re.compile("[\u200b-\u200d\u2060\ufeff\u034f\u00ad]")


def words_of(text: str) -> Counter:
    """The words of *text* without marks of lists and quotes."""
    return Counter(LIST_MARK.sub("", QUIET.sub("", text)).split())


def our_words(html: str) -> Counter:
    """The words that `read_html` finds, without targets of links."""
    found = read_html(html)
    text = found.text
    for link in found.links:
        text = text.replace(f" <{link.url}>", "")
    shown_by_browsers = (each.text for each in found.hidden if each.reason not in {"display", "attribute"})
    return words_of("\n".join((text, *shown_by_browsers)))


def agreement(ours: Counter, theirs: Counter) -> float:
    """The part of the words of both that both hold."""
    return (ours & theirs).total() / max(ours.total(), theirs.total(), 1)


async def shown_texts() -> dict[str, str]:
    """The text that Chromium shows of each page, scripts and network off."""
    async with open_browser() as browser:
        context = await browser.new_context(java_script_enabled=False, offline=True)
        page = await context.new_page()
        texts = {}
        for name, html in PAGES.items():
            await page.set_content(html, wait_until="domcontentloaded")
            texts[name] = await page.evaluate(SHOWN)
        return texts


async def test_the_words_of_sixty_pages_are_those_that_chromium_shows():
    theirs = {name: words_of(text) for name, text in (await shown_texts()).items()}
    ours = {name: our_words(html) for name, html in PAGES.items()}

    different = {
        name: (ours[name] - theirs[name], theirs[name] - ours[name])
        for name in PAGES
        if agreement(ours[name], theirs[name]) < AGREEMENT
    }

    assert len(PAGES) >= 60
    assert agreement(sum(ours.values(), Counter()), sum(theirs.values(), Counter())) >= AGREEMENT, different
    assert len(different) <= 2, different


def test_a_page_that_lost_a_word_does_not_agree():
    page = PAGES["sign-in code"]

    assert agreement(our_words(page), our_words(page.replace("minutes", ""))) < AGREEMENT


@pytest.mark.parametrize("name", ["hidden preheaders", "newsletter mjml"])
def test_words_that_no_reader_sees_are_told_apart(name):
    found = read_html(PAGES[name])

    assert found.hidden
    assert not any(entry.text in found.text for entry in found.hidden)
