"""Check the listeners: this relay's own addresses, port 25 from outside, and port 25 outwards."""

import asyncio
from typing import Final

from relay.dns.resolver import Resolver
from relay.errors import DnsUnavailable
from relay.finding import Finding, failing, ok, skipped, warning
from relay.settings import Endpoint, Settings

SECONDS: Final = 5
_LONGEST: Final = 512  # bytes of a greeting (RFC 5321 §4.5.3.1.5)
_HERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 (compared, not listened on)


async def check_listeners(settings: Settings) -> list[Finding]:
    """Check /readyz, and the greeting of each SMTP listener."""
    web = await _web(settings.http_listen[0])
    is_running = web.state != "skipped"
    return [web, *[await _listener(endpoint, settings.hostname, is_running) for endpoint in settings.smtp_listen]]


async def check_port_25(settings: Settings, *, resolver: Resolver) -> list[Finding]:
    """Connect to port 25 of the host that MX records name; from this machine, so a router may hide it."""
    remedy = "Open port 25 in every firewall up to MAILSEAL_SMTP_LISTEN. A router may hide it from this machine only."
    found = []
    for address in await addresses(settings.hostname, resolver):
        name = f"port 25 of {address}"
        try:
            greeting = await _greeting((address, 25))
        except (OSError, TimeoutError) as error:
            found.append(warning(name, _why(error), remedy))
            continue
        found.append(_greeted(name, greeting, settings.hostname))
    return found or [skipped("port 25", f"{settings.hostname} has no address")]


async def check_outgoing(domain: str, *, resolver: Resolver) -> list[Finding]:
    """Connect to port 25 of the mail server of *domain*, to see whether outgoing connections are open."""
    name = f"way out to {domain}"
    try:
        hosts = (await resolver.lookup(domain, "MX")).records
    except DnsUnavailable:
        return [warning(name, "no nameserver answered", "See the nameserver findings above.")]
    host = min(hosts, key=_preference, default="0 " + domain).partition(" ")[2]
    try:
        greeting = await _greeting((host, 25))
    except (OSError, TimeoutError) as error:
        remedy = "Ask your provider to open port 25. It matters only for mail that this machine sends itself."
        return [warning(name, f"{host}: {_why(error)}", remedy)]
    return [ok(name, f"{host} says {greeting}")]


async def addresses(host: str, resolver: Resolver) -> list[str]:
    """All addresses of *host*; none when DNS does not answer."""
    found: list[str] = []
    for rdtype in ("A", "AAAA"):
        try:
            found += (await resolver.lookup(host, rdtype)).records
        except DnsUnavailable:
            continue
    return found


async def _web(endpoint: Endpoint) -> Finding:
    host, port = endpoint
    try:
        line = await _ask((_HERE.get(host, host), port), b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")
    except ConnectionRefusedError:
        return skipped("daemon", f"no program listens on {host} port {port}", "Start it: `mailseal serve`.")
    except (OSError, TimeoutError) as error:
        return failing("daemon", f"{host} port {port}: {_why(error)}", "Read its log; restart it if it hangs.")
    if " 200 " in line + " ":
        return ok("daemon", "ready to receive mail")
    return failing("daemon", f"/readyz answered {line or 'nothing'}", "Read its log: it cannot write to the database.")


async def _listener(endpoint: Endpoint, hostname: str, is_running: bool) -> Finding:  # noqa: FBT001
    host, port = endpoint
    name = f"SMTP on {host} port {port}"
    try:
        greeting = await _greeting((_HERE.get(host, host), port))
    except (OSError, TimeoutError) as error:
        if not is_running:
            return skipped(name, "the daemon is not running")
        return failing(name, _why(error), "Read the daemon's log, and check MAILSEAL_SMTP_LISTEN.")
    return _greeted(name, greeting, hostname)


def _greeted(name: str, greeting: str, hostname: str) -> Finding:
    if greeting.startswith(f"220 {hostname}"):
        return ok(name, greeting)
    if greeting.startswith("220"):
        return warning(name, f"another server answers: {greeting}", "Stop it, or set MAILSEAL_HOSTNAME to its name.")
    return failing(
        name,
        f"it answers {greeting or 'nothing'}",
        "Read the daemon's log: it may be full.",
    )


async def _greeting(endpoint: Endpoint) -> str:
    return await _ask(endpoint, b"")


async def _ask(endpoint: Endpoint, request: bytes) -> str:
    """Send *request* and return the first line of the answer. Raises OSError, TimeoutError."""
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(*endpoint, limit=_LONGEST)
        try:
            writer.write(request)
            line = await reader.readline()
        except ValueError:  # longer than a greeting may be
            line = b""
        finally:
            writer.transport.abort()  # a peer that does not read would keep the close waiting
    return "".join(sign if sign.isprintable() else " " for sign in line.decode("ascii", "replace")).strip()


def _preference(record: str) -> int:
    number = record.partition(" ")[0]
    return int(number) if number.isdigit() else 0


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {SECONDS} s"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
