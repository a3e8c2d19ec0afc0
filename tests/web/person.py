"""A person at a browser without scripts: asks for pages, reads them, fills in forms and presses buttons."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any, Self
from urllib.parse import urlencode

from relay.directory.sessions import create_session
from relay.errors import CourierBusy
from relay.outbound.submit import OutboundRequest, submit
from relay.signing.link import ReviewLink, review_token
from store.directory.agents import get_agent_by_email
from store.directory.hitl import update_agent_hitl
from store.records.outbound import Draft, OutboundAttachment, OutboundMessage
from tests.web.client import BOT, OWNER, Answer, ApiServer

COOKIE = "__Host-mailseal_session"
INLINE = {"a", "b", "bdi", "code", "span", "strong", "time"}
DRAFT = Draft(
    to=("bo@reader.example",),
    cc=("cy@other.example",),
    bcc=("di@reader.example",),
    subject="Grüße & <b>more</b>",
    text="Hello Bo,\n\n</pre><script>alert(1)</script>\n",
    html="<p>hello</p><script>alert(2)</script>",
    attachments=(
        OutboundAttachment(filename="a.pdf", content_type="application/pdf", content=b"%PDF" * 500),
        OutboundAttachment(filename="b.txt", content_type="text/plain", content=b"b"),
    ),
)


@dataclass
class Form:
    """A form of a page."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)  # what is on it, name, value


class Page(HTMLParser):
    """What came back, as a person sees it."""

    def __init__(self, answer: Answer, path: str) -> None:
        super().__init__()
        self.answer, self.path, self.status, self.headers = answer, path, answer.status, answer.headers
        self.html = answer.body.decode()
        self.forms: list[Form] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.frames: list[dict[str, str | None]] = []
        self.attributes: set[str] = set()
        self._words: list[str] = []
        self._area: str | None = None
        self._button: tuple[str, str] | None = None
        self.feed(self.html)

    @property
    def text(self) -> str:
        """Its words, with single blanks between them."""
        return " ".join("".join(self._words).split())

    def form(self, button: str) -> Form:
        """The form that has *button*."""
        return next(form for form in self.forms if button in [words for words, _, _ in form.buttons])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self._part(tag)
        self.attributes |= given.keys()
        if tag == "a":
            self.links.append(given.get("href") or "")
        elif tag == "iframe":
            self.frames.append(given)
        elif tag == "form":
            self.forms.append(Form(given.get("action") or self.path))
        elif tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.forms[-1].fields.append((given.get("name") or "", given.get("value") or ""))
        elif tag == "textarea":
            self._area = ""
            self.forms[-1].fields.append((given.get("name") or "", ""))
        elif tag == "button":
            self._button = (given.get("name") or "", given.get("value") or "")
            self.forms[-1].buttons.append(("", *self._button))

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self._words.append(data)
        if self._area is not None:
            self._area += data
        if self._button is not None:
            words, name, value = self.forms[-1].buttons[-1]
            self.forms[-1].buttons[-1] = (words + data.strip(), name, value)

    def _part(self, tag: str) -> None:
        """Words of two cells or lines are two words."""
        if tag not in INLINE:
            self._words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._part(tag)
        if tag == "textarea" and self._area is not None:
            name, _ = self.forms[-1].fields[-1]
            # As browsers do: the first line end goes, and the others are sent as CRLF.
            self.forms[-1].fields[-1] = (name, self._area.removeprefix("\n").replace("\n", "\r\n"))
            self._area = None
        if tag == "button":
            self._button = None


class Person:
    """``Person(door)``: nobody yet; ``await person.sign_in()`` makes them somebody."""

    def __init__(self, api_server: ApiServer) -> None:
        self.api_server = api_server
        self.cookies: dict[str, str] = {}

    async def sign_in(self, email: str = OWNER) -> Self:
        """Sign in, without a letter."""

        def unit(tx):
            return create_session(tx, self.api_server.places.user(tx, email).id, now=self.api_server.clock.now())[1]

        self.cookies[COOKIE] = await self.api_server.store.write(unit)
        return self

    async def ask(self, method: str, path: str, **more: Any) -> Page:
        """One request, without going on to where the answer sends."""
        headers = dict(more.pop("headers", {}))
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await self.api_server.ask(method, path, key=None, headers=headers, allow_redirects=False, **more)
        for written in answer.headers.getall("Set-Cookie", ()):
            for name, morsel in SimpleCookie(written).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        return Page(answer, path)

    async def get(self, path: str, **more: Any) -> Page:
        """A page, wherever it is found."""
        page = await self.ask("GET", path.partition("#")[0], **more)
        while page.status in {301, 302, 303, 307}:
            page = await self.ask("GET", page.headers["Location"].partition("#")[0])
        return page

    async def post(self, path: str, fields: Any, **more: Any) -> Page:
        """A form, without going on to where the answer sends."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", **more.pop("headers", {})}
        return await self.ask("POST", path, data=urlencode(fields), headers=headers, **more)

    async def press(self, page: Page, button: str, **fields: Any) -> Page:
        """Fill in *fields* of the form that has *button*, press it, and go on to where the answer sends."""
        form = page.form(button)
        given = [(name, value) for name, value in form.fields if name not in fields]
        given += [
            (name, each) for name, value in fields.items() for each in ([value] if isinstance(value, str) else value)
        ]
        given += [(name, value) for words, name, value in form.buttons if words == button and name]
        answer = await self.post(form.action, given)
        return await self.get(answer.headers["Location"]) if answer.status == 303 else answer


class PostOffice:
    """A courier that remembers what it was handed; it refuses with *trouble* while there is some."""

    def __init__(self) -> None:
        self.carried: list[tuple[bytes, tuple[str, ...]]] = []
        self.trouble: Exception | None = None

    async def carry(self, raw, *, mail_from, recipients, attempt_id, check_lease) -> str:
        if self.trouble is not None:
            raise self.trouble
        self.carried.append((raw, tuple(recipients)))
        return f"0100-{len(self.carried)}"

    def stop_accepting(self) -> None:
        """Nothing waits."""

    async def close(self) -> None:
        """Nothing is open."""


def busy(words: str = "454 throttled") -> CourierBusy:
    """A provider that takes nothing now."""
    return CourierBusy(words)


async def hold(
    api_server: ApiServer, draft: Draft = DRAFT, *, agent: str = BOT, ends: str = "reject", **more: Any
) -> OutboundMessage:
    """A mail of *agent* that waits for its owner for an hour."""

    def unit(tx):
        found = get_agent_by_email(tx, agent)
        given = {"enabled": True, "ttl_seconds": 3600, "expiration_action": ends}
        return update_agent_hitl(tx, found.user_id, agent, now=api_server.clock.now(), **given)

    return await submit(
        await api_server.store.write(unit), OutboundRequest(draft=draft, **more), ctx=api_server.send_context
    )


async def link_to(api_server: ApiServer, message: OutboundMessage, *, owner: str = OWNER, **changes: Any) -> str:
    """The path in the letter about *message*."""
    user = await api_server.store.write(lambda tx: api_server.places.user(tx, owner))
    given = {"message_id": message.id, "revision": message.revision, "expires_at": message.hold_expires_at}
    link = ReviewLink(**{**given, "user_id": user.id, **changes})
    return f"/review/{review_token(link, key=api_server.places.master.links)}"
