"""The documents under /help: each is a page, its links lead on, and no name leads out of docs/."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from relay.web.help.library import library
from relay.web.help.links import slug, target
from relay.web.help.render import render

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted(file.relative_to(ROOT / "docs").with_suffix("").as_posix() for file in (ROOT / "docs").rglob("*.md"))
PAGES = ["/help", *[f"/help/{name}" for name in FILES]]
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Tree(HTMLParser):
    """Reads a page: its tags, ids and links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.attributes: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.add(tag)
        self.attributes |= given.keys()
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        self.sources += [given["src"]] if "src" in given else []


@pytest.mark.parametrize("path", PAGES)
async def test_every_document_is_a_page_that_needs_no_key_and_runs_no_script(shared_api, path):
    answer = await shared_api.get(path, key=None)
    policy = answer.headers["Content-Security-Policy"]
    tree = Tree(answer.body.decode())

    assert (200, "text/html; charset=utf-8") == (answer.status, answer.headers["Content-Type"])
    assert set() == tree.tags & {"script", "link", "iframe", "form", "object"}
    assert set() == {name for name in tree.attributes if name.startswith("on")}
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script" not in policy
    assert len(tree.ids) == len(set(tree.ids))


@pytest.mark.parametrize("path", PAGES)
async def test_every_link_of_a_page_leads_to_a_page_and_an_anchor_that_exist(shared_api, path):
    here = Tree((await shared_api.get(path, key=None)).body.decode())

    for link in {*here.links, *here.sources}:
        assert re.match(r"#|/|https?://|mailto:", link), link
        if link.startswith(("http", "mailto:")):
            continue
        place, _, anchor = link.partition("#")
        found = await shared_api.get(place, key=None) if place else None
        assert found is None or 200 == found.status, link
        if anchor:
            assert anchor in (here if found is None else Tree(found.body.decode())).ids, link


async def test_head_has_the_fields_of_get_and_no_body(shared_api):
    got = await shared_api.get("/help/errors", key=None)
    head = await shared_api.ask("HEAD", "/help/errors", key=None)

    assert (200, b"", got.headers["Content-Length"]) == (head.status, head.body, head.headers["Content-Length"])


@pytest.mark.parametrize(
    "path",
    [
        "/help/nothing", "/help/", "/help/settings/", "/help/settings.md", "/help/../settings", "/help/../../README",
        "/help/%2e%2e/README", "/help/..%2f..%2fpyproject.toml", "/help//etc/passwd", "/help/%FF",
        "/help/decisions", "/help/images/", "/help/Settings",
    ],
)  # fmt: skip
async def test_an_unknown_name_is_a_404_page_with_the_menu(shared_api, path):
    answer = await shared_api.get(path, key=None)

    assert (404, "text/html; charset=utf-8") == (answer.status, answer.headers["Content-Type"])
    assert "/help/errors" in Tree(answer.body.decode()).links


async def test_pictures_of_the_documents_are_served_as_what_they_are(shared_api):
    for name in library().pictures:
        answer = await shared_api.get(f"/help/{name}", key=None)

        assert (200, "image") == (answer.status, answer.headers["Content-Type"].partition("/")[0])
        assert "sandbox" in answer.headers["Content-Security-Policy"]


async def test_a_problem_says_where_its_own_entry_is(shared_api):
    problem = (await shared_api.get("/v1/nothing")).json

    page, _, anchor = problem["type"].removeprefix("https://relay.example").partition("#")
    assert anchor in Tree((await shared_api.get(page, key=None)).body.decode()).ids


async def test_the_menu_has_every_document(shared_api):
    links = Tree((await shared_api.get("/help", key=None)).body.decode()).links

    assert [] == [page for page in PAGES if page not in links and page != "/help/index"]


@pytest.mark.parametrize(
    ("page", "href", "expected"),
    [
        ("index", "settings.md", "/help/settings"),
        ("index", "settings.md#smtp", "/help/settings#smtp"),
        ("settings", "index.md", "/help"),
        ("decisions/0001-a", "../architecture.md#x", "/help/architecture#x"),
        ("decisions/0001-a", "0002-b.md", "/help/decisions/0002-b"),
        ("approvals", "images/review.png", "/help/images/review.png"),
        ("index", "#here", "#here"),
        ("index", "https://example.com/a.md", "https://example.com/a.md"),
        ("index", "/docs", "/docs"),
    ],
)
async def test_links_between_files_become_links_between_pages(page, href, expected):
    assert expected == target(page, href)


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("agent_not_found", "agent_not_found"),
        ("6. HTTP API", "6-http-api"),
        ("What happens, and when?", "what-happens-and-when"),
        ("A — B", "a-b"),
        ("Größe", "groe"),
    ],
)
async def test_anchors_are_those_of_mkdocs(heading, expected):
    assert expected == slug(heading)


async def test_two_headings_of_one_name_have_two_anchors():
    html = render("x", "# A\n\n## B\n\n## B\n\n## B_1\n").html

    assert ["a", "b", "b_1", "b_2"] == re.findall(r'id="([^"]+)"', html)


async def test_a_cell_of_a_wide_table_names_its_column_and_one_of_a_narrow_table_does_not():
    wide = render("x", "# A\n\n| a | `b` | c |\n|---|---|---|\n| 1 | 2 | 3 |\n").html
    narrow = render("x", "# A\n\n| a | b |\n|---|---|\n| 1 | 2 |\n").html

    assert '<td>1</td>\n<td data-label="b">2</td>\n<td data-label="c">3</td>' in wide
    assert "data-label" not in narrow


async def test_html_in_a_document_is_text():
    html = render("x", "# A\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) `<b>`\n").html

    assert "<script>" not in html
    assert 'href="javascript' not in html
    assert "<code>&lt;b&gt;</code>" in html
