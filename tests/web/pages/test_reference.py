"""The page at /docs: the whole description, for people, without anything from elsewhere."""

import base64
import re
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from relay.web.answers.problems import catalogue
from relay.web.pages.reference import render
from relay.web.pages.template import prose
from tests.web.client import BASE_URL
from tests.web.schemas.described import DOCUMENT

HTML = render(DOCUMENT, base_url=BASE_URL)
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Tree(HTMLParser):
    """Reads a page, and what would be wrong with it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag == self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def tree() -> Tree:
    read = Tree()
    read.feed(HTML)
    read.close()
    return read


@pytest.mark.asyncio(loop_scope="module")
async def test_the_reference_is_had_without_a_key(shared_api):
    answer = await shared_api.get("/docs", key=None)

    assert (200, "text/html; charset=utf-8") == (answer.status, answer.headers["Content-Type"])
    assert HTML == answer.body.decode()


@pytest.mark.asyncio(loop_scope="module")
async def test_the_browser_may_use_the_page_s_own_style_and_nothing_else(shared_api):
    answer = await shared_api.get("/docs", key=None)

    style = re.search(rb"<style>(.*?)</style>", answer.body, re.DOTALL)
    digest = base64.b64encode(sha256(style[1]).digest()).decode()
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert ["default-src 'none'", f"style-src 'sha256-{digest}'"] == policy[:2]
    assert {"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} == set(policy[2:])
    assert ("nosniff", "no-referrer") == (answer.headers["X-Content-Type-Options"], answer.headers["Referrer-Policy"])


def test_the_page_is_well_formed_and_runs_and_loads_nothing(tree):
    assert [] == tree.open
    assert set() == tree.tags & {"script", "img", "link", "iframe", "object", "form", "base", "svg"}
    assert [] == [each for each in tree.attributes if each.startswith("on") or each in {"src", "style"}]
    assert [] == [each for each in tree.links if not each.startswith("#") and each not in {"/openapi.json", "/help"}]
    assert "url(" not in HTML
    assert "@import" not in HTML


def test_every_link_leads_somewhere_and_every_place_is_one(tree):
    assert {each[1:] for each in tree.links if each.startswith("#")} <= set(tree.ids)
    assert len(set(tree.ids)) == len(tree.ids)


def test_the_page_reads_well_on_a_phone_and_in_the_dark():
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in HTML
    assert "prefers-color-scheme: dark" in HTML


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_every_operation_is_told_with_what_it_takes_and_answers(tree, path):
    text = "".join(tree.text)
    for method, operation in DOCUMENT["paths"][path].items():
        told = text.partition(f"\n{method.upper()} {path}\n")[2].partition("\n\n\n\n\n")[0]
        assert operation["operationId"] in tree.ids
        assert all(each["name"] in told for each in operation.get("parameters", ()))
        assert "curl " in told


def test_every_shape_and_every_code_is_told(tree):
    text = "".join(tree.text)

    assert [] == [name for name in DOCUMENT["components"]["schemas"] if f"shape-{name}" not in tree.ids]
    assert [] == [code for code, kind in catalogue().items() if f"{kind.status} {code}" not in text]


def test_an_example_can_be_pasted_into_a_shell(tree):
    assert (
        f"curl -X POST {BASE_URL}/v1/agents/support%40agents.example/queue/lease \\\n"
        '  -H "Authorization: Bearer $MAILSEAL_KEY" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        """  -d '{"max": 1, "lease_seconds": 60, "wait": 0}'"""
    ) in "".join(tree.text)


def test_text_is_never_markup():
    assert "<p>&lt;b&gt; and <code>&lt;i&gt;</code></p><p>so</p>" == str(prose("<b> and `<i>`\n\nso"))
    hostile = {"title": "<script>", "version": "<b>", "description": "<img src=x>"}
    page = render(DOCUMENT | {"info": hostile}, base_url="https://x/'\"<script>")
    assert "<script>" not in page
    assert "<img" not in page
