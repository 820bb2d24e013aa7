"""Pages from the web: off by default, and nothing private is ever reached."""

import http.server
import ipaddress
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from luthier.artifacts.canonical import sha256_of_file
from luthier.artifacts.documents import read_documents
from luthier.collect import crawl
from luthier.collect.config import CollectConfig
from luthier.collect.crawl import Crawler, RefusedError, is_public, parse
from luthier.collect.ledger import read_files
from luthier.collect.stage import collect
from luthier.errors import UserError

HTML = "<!doctype html><html><body><article><h1>Pumps</h1><p>Water cools the pump.</p></article></body></html>"


class Server(http.server.ThreadingHTTPServer):
    """Remembers what it was asked for; `stop` lets slow answers go."""

    asked: list[str]
    stop: threading.Event


class Site(http.server.BaseHTTPRequestHandler):
    """A small site with traps."""

    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.headers['Host']} {self.path}")
        port = self.server.server_address[1]
        moved = {
            "/moved": "/page",
            "/inside": f"http://10.0.0.7:{port}/secret",
            "/metadata": "http://169.254.169.254/latest/meta-data/",
            "/file": "file:///etc/passwd",
            "/loop": "/loop",
            "/closed": "/private/x",
            "/user": f"http://site.test@127.0.0.1:{port}/page",
        }
        if self.path in moved:
            self.answer(302, b"", Location=moved[self.path])
        elif self.path == "/robots.txt":
            self.answer(200, b"User-agent: *\nDisallow: /private\n")
        elif self.path == "/sitemap.xml":
            names = [f"http://site.test:{port}/page", f"http://other.test:{port}/page", "http://10.0.0.7/"]
            self.answer(200, "".join(f"<loc> {name} </loc>" for name in names).encode())
        elif self.path == "/big":
            self.answer(200, b"x" * 5_000)
        elif self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            self.server.stop.wait(5)
        elif self.path in {"/page", "/page?b=1"}:
            self.answer(200, HTML.encode())
        else:
            self.answer(404, b"")

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Site)
    server.asked, server.stop = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


def crawler(**changes: Any) -> Crawler:
    """One that knows the test site, and lets loopback through where a name stands for it."""
    known = {"site.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]}
    allowed = ipaddress.ip_address("127.0.0.1")
    settings: dict[str, Any] = {
        "resolve": lambda host, _: known[host],
        "is_allowed": lambda address: address == allowed or is_public(address),
        "pause": 0.0,
    }
    return Crawler(**(settings | changes))


def problem(crawler: Crawler, url: str) -> str:
    (page,) = crawler.pages([url])
    assert bool(page.content) != bool(page.problem)
    return page.problem


def at(site: Server, path: str, host: str = "site.test") -> str:
    return f"http://{host}:{site.server_address[1]}{path}"


@pytest.mark.parametrize(
    "url",
    [
        "http://user@example.com/",
        "http://example.com@127.0.0.1/",
        "http://example.com:80@127.0.0.1/",
        "http://127.0.0.1\\@example.com/",
        "http://example.com\\.evil.com/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1.5/",
        "http://\u2460\u2461\u2466.0.0.1/",
        "http://exa mple.com/",
        "http://example.com/a\nHost: evil",
        "http://example.com:99999/",
        "http://[fe80::1%25eth0]/",
        "http://-a.com/",
        "http:///path",
        "file:///etc/passwd",
        "gopher://example.com/",
        "ftp://example.com/",
        "jar:http://example.com!/x",
        "//example.com/",
        "example.com",
    ],
)
def test_tricks_in_addresses_are_refused(url: str) -> None:
    with pytest.raises(RefusedError):
        parse(url)


def test_plain_addresses_are_taken_apart() -> None:
    assert parse("HTTPS://Example.COM:443/a?b#c").url == "https://example.com/a?b"
    assert parse("http://example.com.").host == "example.com"
    assert parse("http://[2001:db8::1]:8080/x").url == "http://[2001:db8::1]:8080/x"


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "100.127.255.254", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1"),
        *("198.18.0.1", "192.0.0.8", "::1", "::", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1"),
        *("::ffff:8.8.8.8", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "64:ff9b::a00:1", "2001:db8::1"),
    ],
)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


def test_public_addresses_are() -> None:
    assert is_public(ipaddress.ip_address("93.184.216.34"))
    assert is_public(ipaddress.ip_address("2606:2800:220:1:248:1893:25c8:1946"))


def test_a_host_with_one_private_address_is_refused_before_anything_is_sent(
    site: Server,
) -> None:
    for private in ("10.0.0.1", "127.0.0.2", "::1", "169.254.169.254", "::ffff:127.0.0.1"):
        mixed = crawler(resolve=lambda host, _, bad=private: ["127.0.0.1", bad])
        assert "no public address" in problem(mixed, at(site, "/page"))
    assert "no public address" in problem(Crawler(pause=0.0), at(site, "/page", "127.0.0.1"))
    assert site.asked == []


def test_a_name_that_changes_its_address_is_asked_once_per_connection(site: Server) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    rebinding = crawler(resolve=lambda host, _: next(answers))
    # robots.txt used up the good answer: the page itself is asked of an address that is checked again.
    assert "no public address" in problem(rebinding, at(site, "/page"))
    assert [asked.split()[1] for asked in site.asked] == ["/robots.txt"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/inside", "10.0.0.7, which is no public address"),
        ("/metadata", "169.254.169.254, which is no public address"),
        ("/file", "only http and https"),
        ("/loop", "more than 3 redirects"),
        ("/closed", "robots.txt does not allow"),
        ("/private/page", "robots.txt does not allow"),
        ("/user", "a user name"),
        ("/nothing", "answers 404"),
    ],
)
def test_where_a_page_leads_is_checked_again(site: Server, path: str, reason: str) -> None:
    assert reason in problem(crawler(), at(site, path))
    assert not any("secret" in asked or "latest" in asked for asked in site.asked)


def test_size_time_and_pace_are_limited(site: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawl, "MOST_BYTES", 1_000)
    monkeypatch.setattr(crawl, "MOST_SECONDS", 0.3)
    polite = crawler(pause=0.1)
    waits: list[float] = []
    monkeypatch.setattr(crawl.time, "sleep", waits.append)
    assert "more than 0 MB" in problem(polite, at(site, "/big"))
    assert "took longer than 0.3 s" in problem(polite, at(site, "/drip"))
    assert max(waits) > 0


def test_tls_is_checked_for_the_name(site: Server) -> None:
    assert "SSL" in problem(crawler(), at(site, "/page").replace("http:", "https:"))
    assert Crawler().context.check_hostname


def test_pages_and_a_sitemap_become_documents(site: Server, tmp_path: Path) -> None:
    pages = [at(site, "/moved"), at(site, "/inside")]
    config = CollectConfig(sources=[], urls=True, pages=pages, sitemap=at(site, "/sitemap.xml"))
    corpus = collect([], config=config, out=tmp_path / "corpus", crawler=crawler())
    rows = {entry.path: entry for entry in read_files(corpus.file("files.parquet"))}
    assert [rows[name].outcome for name in rows] == ["ok", "failed", "copy"]
    assert "not fetched: the host stands at 10.0.0.7" in rows[pages[1]].reason
    (document,) = read_documents(corpus.file("documents.parquet"))
    assert (document.file, "Water cools the pump." in document.text) == (pages[0], True)
    assert sha256_of_file(corpus.file(f"fetched/{document.id}")) == document.id
    asked = [entry.split()[0].split(":")[0] for entry in site.asked]
    assert set(asked) == {"site.test"}


def test_without_the_setting_nothing_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"collect\.urls: true"):
        collect([], config=CollectConfig(sources=[], pages=["http://site.test/"]), out=tmp_path / "corpus")
    with pytest.raises(UserError, match="nothing is to be fetched"):
        collect([], config=CollectConfig(sources=[], urls=True), out=tmp_path / "corpus")
