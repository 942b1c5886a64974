"""Addresses: what is fetched, from where, how much of it and for how long, against a real server."""

import gzip
import socket
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liquid_ai.core import InputError, ParseError, Settings
from liquid_ai.ingestion import fetch as module
from liquid_ai.ingestion.fetch import fetch, is_address, is_public, without_credentials
from liquid_ai.ingestion.load import find_files, load, source_of

OWN = Settings(allow_private_urls=True)
PAGE = b"<h1>Tides</h1><p>Twice a day."


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: list = []

    def do_GET(self):
        Site.asked.append((self.path, dict(self.headers)))
        way, _, rest = self.path[1:].partition("/")
        getattr(self, f"do_{way.partition('.')[0]}", self.do_missing)(unquote(rest))

    def answer(self, body, status=200, length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_page(self, rest):
        self.answer(PAGE, Content_Type="text/html; charset=utf-8")

    def do_missing(self, rest):
        self.answer(b"no", 404)

    def do_to(self, rest):
        self.answer(b"", 302, Location=rest)

    def do_bomb(self, rest):
        self.answer(gzip.compress(bytes(30_000_000)), Content_Encoding="gzip", Content_Type="text/plain")

    def do_packed(self, rest):
        body = {
            "gzip": gzip.compress(PAGE),
            "deflate": zlib.compress(PAGE),
            "br": b"x",
            "half": gzip.compress(PAGE)[:20],
        }
        kind = rest if rest != "half" else "gzip"
        self.answer(body[rest], Content_Encoding=kind, Content_Type="text/html")

    def do_short(self, rest):
        self.answer(b"only this", length=1_000)
        self.close_connection = True

    def do_large(self, rest):
        self.answer(b"", length=10**12)
        self.close_connection = True

    def do_endless(self, rest):
        self.send_response(200)
        self.end_headers()
        for _ in range(100_000):
            self.wfile.write(b"x" * 65_536)

    def do_slow(self, rest):
        self.send_response(200)
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b"x")
            time.sleep(0.05)

    def do_file(self, rest):
        self.answer(
            b"a,b\n1,2\n", Content_Type="text/csv", Content_Disposition=f'attachment; filename="{rest}"'
        )

    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.handle_error = lambda *_: None  # a client that hangs up is what these tests are about
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def refused(address, reason, settings=OWN, **rest):
    with pytest.raises(ParseError) as caught:
        fetch(address, settings, **rest)
    assert caught.value.status == "failed" and reason in caught.value.reason, caught.value
    assert "secret" not in str(caught.value)


def test_a_page_becomes_a_document(site):
    (item,) = load(f"{site.replace('//', '//ann:secret@')}/page.php?id=7#top", OWN)
    document = item.document
    assert (item.row.status, item.row.path, document.source) == (
        "parsed",
        f"{site}/page.php?id=7",
        f"{site}/page.php?id=7",
    )
    assert document.title == "Tides" and document.mime == "text/html" and document.meta["ext"] == ".html"
    path, headers = Site.asked[-1]
    assert path == "/page.php?id=7" and headers["Authorization"] == "Basic YW5uOnNlY3JldA=="
    assert "secret" not in repr(item) + repr(find_files(f"{site.replace('//', '//ann:secret@')}/a"))


def test_addresses_stand_beside_files(site, tmp_path):
    (tmp_path / "a.txt").write_text("Hello")
    items = list(load([tmp_path, f"{site}/page", f"{site}/page", f"{site}/gone", "http://[::1"], OWN))
    assert [i.row.status for i in items] == ["parsed", "parsed", "failed", "failed"]
    assert items[2].row.reason == "the server answered 404 Not Found"
    assert source_of(f"{site}/page") == f"{site}/page"
    with pytest.raises(InputError):
        find_files([])


def test_only_what_is_asked_for_is_fetched(site, tmp_path):
    before = len(Site.asked)
    (tmp_path / "links.html").write_text(f'<html><a href="{site}/page">x</a><img src="{site}/page">')
    list(load(tmp_path, OWN))
    find_files(f"{site}/page")  # not before it is read
    assert len(Site.asked) == before


def test_the_own_network_is_refused(site):
    before = len(Site.asked)
    port = site.rpartition(":")[2]
    for host in (
        "127.0.0.1",
        "localhost",
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[::]",
    ):
        refused(f"http://{host}:{port}/page", "not on the public internet", Settings())
    assert len(Site.asked) == before


def test_a_name_is_looked_up_once_and_what_it_means_is_connected_to(site):
    port, asked = int(site.rpartition(":")[2]), []

    def rebinding(host, port, **rest):  # public when it is judged; inside when it is connected to
        asked.append(host)
        return socket.getaddrinfo("93.184.216.34" if len(asked) == 1 else "127.0.0.1", port, **rest)

    before, connect = len(Site.asked), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            socket,
            "create_connection",
            lambda to, **rest: connect.append(to) or (_ for _ in ()).throw(OSError(1, "no")),
        )
        refused(f"http://rebind.example:{port}/page", "cannot be fetched", Settings(), resolve=rebinding)
    assert asked == ["rebind.example"] and connect == [("93.184.216.34", port)] and len(Site.asked) == before

    def both(host, port, **rest):  # one good and one bad
        return [
            *socket.getaddrinfo("93.184.216.34", port, **rest),
            *socket.getaddrinfo("127.0.0.1", port, **rest),
        ]

    refused(f"http://two.example:{port}/page", "not on the public internet", Settings(), resolve=both)


def test_redirects_are_judged_again(site):
    other = site.replace("127.0.0.1", "localhost")
    (item,) = load(f"{site}/to/{other}/page", OWN)
    assert (
        item.row.reason == f"redirected to {other}/page" and item.document.source == f"{site}/to/{other}/page"
    )
    refused(f"{site}/to/page", "over 5 redirects")  # relative, so to itself
    assert fetch(f"{site}/to//page", OWN).data == PAGE
    assert fetch(f"{site}/to/{other}/page", OWN).address == f"{other}/page"
    for bad in ("file:///etc/passwd", "ftp://a/", "http://a:b/"):
        refused(f"{site}/to/{bad}", "not an address")

    with pytest.MonkeyPatch.context() as patch:  # so that the first step passes, as a site outside would
        real = module.is_public
        patch.setattr(module, "is_public", lambda text: real(text) or not Site.asked[-1][0].startswith("/to"))
        Site.asked.append(("/", {}))
        refused(f"{site}/to/{other}/page", "localhost is not on the public internet", Settings())
    assert not Site.asked[-1][0].startswith("/page")


def test_credentials_go_to_no_other_site(site):
    other = site.replace("127.0.0.1", "localhost")
    fetch(f"{site.replace('//', '//ann:secret@')}/to/{other}/page", OWN)
    assert "Authorization" in Site.asked[-2][1] and "Authorization" not in Site.asked[-1][1]


def test_sizes_are_bounded(site):
    small = Settings(allow_private_urls=True, max_file_bytes=1_000_000)
    started = time.process_time()
    for way in ("bomb", "large", "endless"):
        refused(f"{site}/{way}", "Settings.max_file_bytes is 1,000,000", small)
    assert time.process_time() - started < 2


def test_bodies_that_are_packed_or_broken(site):
    for way in ("gzip", "deflate"):
        assert fetch(f"{site}/packed/{way}", OWN).data == PAGE
    refused(f"{site}/packed/br", "sent as 'br'")
    refused(f"{site}/packed/half", "broke off")
    refused(f"{site}/short", "broke off")


def test_time_is_bounded(site, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 1.0)
    started = time.monotonic()
    refused(f"{site}/slow", "not fetched within 1 s")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused(f"http://127.0.0.1:{silent.getsockname()[1]}/", "not fetched within 1 s")
        refused(f"https://127.0.0.1:{silent.getsockname()[1]}/", "not fetched within 1 s")
    refused("http://slow.example/", "in time", resolve=lambda *a, **k: time.sleep(3) or [])
    assert time.monotonic() - started < 6


def test_names_come_from_the_server_without_folders(site):
    assert fetch(f"{site}/file/..%2Fpasswd.csv", OWN).name == "passwd.csv"
    assert fetch(f"{site}/page", OWN).name == "page.html"


def test_proxies_of_the_environment_are_not_used(site, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(f"{site}/page", OWN).data == PAGE


@given(st.ip_addresses())
def test_what_python_calls_private_is_refused(address):
    if not address.is_global or address.is_multicast:
        assert not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_a_number_is_judged_alike_in_each_dress(address):
    plain, parts = is_public(str(address)), f"{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"
    assert (
        is_public(f"::ffff:{address}")
        == is_public(f"64:ff9b::{parts}")
        == is_public(f"2002:{parts}::")
        == plain
    )
    assert not is_public(f"::{parts}")


@given(st.text())
def test_no_address_raises_anything_else(rest):
    address = f"http://{rest}"
    assert is_address(address) and not is_address(f"/tmp/{rest}")
    try:
        assert without_credentials(without_credentials(address)) == without_credentials(address)
    except ParseError as e:
        assert e.reason == "not an address that can be fetched"
