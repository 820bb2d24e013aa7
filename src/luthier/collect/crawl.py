"""Pages from the web, only when the settings say so, and never from inside the network that we stand in.

One parser reads an address for the check and for the fetch; a name is resolved once, every answer must be public, and
the connection goes to that very address, with TLS checked for the name. Redirects start over, three at most.
"""

import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
import urllib.robotparser
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from luthier.errors import UserError

MOST_BYTES = 25 << 20
MOST_SECONDS = 20.0
MOST_REDIRECTS = 3
MOST_PAGES = 10_000
PAUSE_SECONDS = 1.0
"""Between two requests to one host."""
AGENT = "Luthier"
PORTS = {"http": 80, "https": 443}
HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
NUMBER = re.compile(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+))*")
"""Hosts that some programs take for an address in decimal, octal or hexadecimal."""
LOCATION = re.compile(rb"<loc>\s*([^<\s]+)\s*</loc>", re.IGNORECASE)
SHARED = (ipaddress.ip_network("100.64.0.0/10"), ipaddress.ip_network("192.0.0.0/24"))
"""Of carriers and protocols; not every Python counts them as private."""
TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))

Resolve = Callable[[str, int], Sequence[str]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class RefusedError(Exception):
    """A page that is not fetched; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address, taken apart once."""

    scheme: str
    host: str
    port: int
    path: str
    """Path and query."""

    @property
    def url(self) -> str:
        """The address in its one form."""
        return f"{self.origin}{self.path}"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


@dataclass(frozen=True, slots=True)
class Page:
    """What an address gave."""

    url: str
    """Where it was asked for."""
    content: bytes = b""
    problem: str = ""
    """Why there is no content."""


def parse(url: str) -> Target:
    """Take an address apart. RefusedError for what is not plain http(s), or could be read in two ways."""
    if not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise RefusedError("characters that an address cannot hold")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RefusedError("not an address") from None
    if parts.scheme not in PORTS:
        raise RefusedError(f"only http and https are fetched, not '{parts.scheme}'")
    if "@" in parts.netloc:
        raise RefusedError("a user name in the address")
    host = (parts.hostname or "").removesuffix(".")
    if "%" in host:
        raise RefusedError("an address of this machine's own network")
    if ":" in host:
        host = str(_address(host))
    elif not HOST.fullmatch(host):
        raise RefusedError("not a host name")
    elif NUMBER.fullmatch(host):
        # Exactly four decimal numbers are an address; other spellings are tricks.
        host = str(_address(host))
    path = parts.path or "/"
    return Target(parts.scheme, host, port or PORTS[parts.scheme], f"{path}?{parts.query}" if parts.query else path)


def is_public(address: Address) -> bool:
    """True for addresses of the open internet; False for this machine, private, shared, local and mapped ones."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if carried is not None or any(address in network for network in TRANSLATED):
            return False
    elif any(address in network for network in SHARED):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})


@dataclass(slots=True)
class Crawler:
    """Fetches pages one by one; polite to each host."""

    resolve: Resolve = resolve
    is_allowed: Callable[[Address], bool] = is_public
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    pause: float = PAUSE_SECONDS
    _asked: dict[str, float] = field(default_factory=dict)
    _robots: dict[str, urllib.robotparser.RobotFileParser] = field(default_factory=dict)

    def pages(self, urls: Sequence[str]) -> Iterator[Page]:
        """Each address with its content, or with why there is none."""
        for url in urls:
            try:
                yield Page(url, self._polite(url))
            except RefusedError as error:
                yield Page(url, problem=f"not fetched: {error}")

    def sitemap(self, url: str) -> list[str]:
        """The addresses of a sitemap, those of its own host only. UserError if it cannot be fetched."""
        try:
            home, content = parse(url), self._polite(url)
        except RefusedError as error:
            raise UserError(f"{url}: the sitemap is not fetched: {error}. Check collect.sitemap.") from None
        listed = [place.decode("ascii", errors="replace").replace("&amp;", "&") for place in LOCATION.findall(content)]
        return [place for place in dict.fromkeys(listed) if _host(place) == home.host][:MOST_PAGES]

    def _polite(self, url: str) -> bytes:
        target = parse(url)
        if not self._robots_of(target).can_fetch(AGENT, target.url):
            raise RefusedError("the host's robots.txt does not allow it")
        return self._follow(target, check_robots=True)

    def _robots_of(self, target: Target) -> urllib.robotparser.RobotFileParser:
        if target.origin not in self._robots:
            rules = urllib.robotparser.RobotFileParser()
            try:
                text = self._follow(Target(target.scheme, target.host, target.port, "/robots.txt"), check_robots=False)
                rules.parse(text.decode("utf-8", errors="replace").splitlines())
            except MissingError:
                rules.parse([])
            self._robots[target.origin] = rules
        return self._robots[target.origin]

    def _follow(self, target: Target, *, check_robots: bool) -> bytes:
        for _ in range(1 + MOST_REDIRECTS):
            content, onward = self._ask(target)
            if onward is None:
                return content
            target = parse(urljoin(target.url, onward))
            if check_robots and not self._robots_of(target).can_fetch(AGENT, target.url):
                raise RefusedError("the host's robots.txt does not allow it")
        raise RefusedError(f"more than {MOST_REDIRECTS} redirects")

    def _ask(self, target: Target) -> tuple[bytes, str | None]:
        """Content, or where else to ask."""
        self._wait(target.host)
        began = time.monotonic()
        try:
            with closing(self._connect(target)) as line, _cut_after(MOST_SECONDS, line):
                connection = http.client.HTTPConnection(target.host, target.port)
                connection.sock = line
                headers = {
                    "Host": target.origin.partition("://")[2],
                    "User-Agent": AGENT,
                    "Accept-Encoding": "identity",
                }
                connection.request("GET", target.path, headers=headers)
                answer = _content(connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError) as error:
            if time.monotonic() - began >= MOST_SECONDS:
                raise RefusedError(f"took longer than {MOST_SECONDS:g} s") from None
            raise RefusedError(f"{type(error).__name__}: {error}") from None
        if time.monotonic() - began >= MOST_SECONDS:
            raise RefusedError(f"took longer than {MOST_SECONDS:g} s")
        return answer

    def _connect(self, target: Target) -> socket.socket:
        found = [target.host] if _is_address(target.host) else list(self.resolve(target.host, target.port))
        addresses = [_address(entry) for entry in found]
        if not addresses:
            raise RefusedError("the host has no address")
        refused = next((address for address in addresses if not self.is_allowed(address)), None)
        if refused is not None:
            raise RefusedError(f"the host stands at {refused}, which is no public address")
        plain = socket.create_connection((str(addresses[0]), target.port), timeout=MOST_SECONDS)
        if target.scheme == "http":
            return plain
        try:
            return self.context.wrap_socket(plain, server_hostname=target.host)
        except (OSError, ValueError):
            plain.close()
            raise

    def _wait(self, host: str) -> None:
        time.sleep(max(0.0, self._asked.get(host, -self.pause) + self.pause - time.monotonic()))
        self._asked[host] = time.monotonic()


class MissingError(RefusedError):
    """The host has no such page."""


@contextmanager
def _cut_after(seconds: float, line: socket.socket) -> Iterator[None]:
    """End a connection in the middle of whatever it does: a drip of bytes beats any time limit on one read."""
    timer = threading.Timer(seconds, line.shutdown, [socket.SHUT_RDWR])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _content(answer: http.client.HTTPResponse) -> tuple[bytes, str | None]:
    if answer.status in {301, 302, 303, 307, 308}:
        return b"", answer.headers.get("Location", "")
    if answer.status in {404, 410}:
        raise MissingError(f"the host answers {answer.status}")
    if answer.status != 200:
        raise RefusedError(f"the host answers {answer.status}")
    content = bytearray()
    while block := answer.read1(1 << 16):
        content += block
        if len(content) > MOST_BYTES:
            raise RefusedError(f"more than {MOST_BYTES >> 20} MB")
    if answer.length:
        raise RefusedError("the connection ended early")
    return bytes(content), None


def _address(text: str) -> Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise RefusedError("an address in an unusual form") from None


def _is_address(host: str) -> bool:
    return ":" in host or NUMBER.fullmatch(host) is not None


def _host(url: str) -> str | None:
    try:
        return parse(url).host
    except RefusedError:
        return None
