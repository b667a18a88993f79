"""What a browser's request gets, without a socket."""

from __future__ import annotations

import gzip
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.errors import InputError
from q2d2_stream.web import Site, built_files, is_same_origin, names_this_machine
from q2d2_stream.web.answer import choose_coding

MODELS = {"encoder.int8.tflite": b"enc" * 999, "decoder.int8.tflite": b"dec", "indices.tables": b""}


def lay_out(folder: Path) -> tuple[Path, Path]:
    """A page and models, as make web and the exporter leave them, and a file beside them."""
    page, models = folder / "page", folder / "models"
    (page / "assets" / "0123").mkdir(parents=True)
    models.mkdir()
    (folder / "secret.txt").write_text("nobody's business")
    (page / "call.html").write_text("<!doctype html>call")
    (page / "try.html").write_text("<!doctype html>try")
    script = page / "assets" / "0123" / "call.js"
    script.write_text("js" * 99)
    script.with_name("call.js.gz").write_bytes(gzip.compress(b"js" * 99))
    script.with_name("call.js.br").write_bytes(b"brotli")
    for name, data in MODELS.items():
        (models / name).write_bytes(data)
    return page, models


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(built_files(*lay_out(tmp_path_factory.mktemp("web"))), {"serves": "rooms"})


def body(site: Site, target: str, accept: str = "") -> bytes:
    answer = site.answer("GET", target, {"Accept-Encoding": accept})
    assert answer.status is HTTPStatus.OK
    assert answer.load is not None
    loaded = answer.load()
    return loaded.read_bytes() if isinstance(loaded, Path) else loaded


def test_pages_assets_and_models(site: Site) -> None:
    assert body(site, "/") == body(site, "/call.html") == b"<!doctype html>call"
    assert body(site, "/try") == b"<!doctype html>try"
    assert body(site, "/?x=1") == b"<!doctype html>call"
    assert body(site, "/assets/0123/call.js", "gzip, deflate, br") == b"brotli"
    assert gzip.decompress(body(site, "/assets/0123/call.js", "gzip")) == b"js" * 99
    assert body(site, "/assets/0123/call.js") == b"js" * 99
    name = "/models/encoder.int8.tflite"
    assert body(site, name) == MODELS["encoder.int8.tflite"]
    packed = body(site, name, "br, gzip")  # compressed when it is first asked for, and once
    assert gzip.decompress(packed) == MODELS["encoder.int8.tflite"]
    assert body(site, "/about.json") == b'{"serves": "rooms"}'


def test_headers(site: Site) -> None:
    script = site.answer("GET", "/assets/0123/call.js", {"Accept-Encoding": "br"})
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert script.headers["Content-Encoding"] == "br"
    assert "immutable" in script.headers["Cache-Control"]
    assert script.headers["Vary"] == "Accept-Encoding"
    page = site.answer("GET", "/", {})
    assert page.headers["Cache-Control"] == "no-cache"
    assert "Content-Encoding" not in page.headers
    for answer in (script, page, site.answer("GET", "/nothing", {}), site.answer("PUT", "/", {})):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert "http" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_a_page_may_connect_to_other_relays_where_rooms_have_them(site: Site) -> None:
    def policy(of: Site) -> str:
        return of.answer("GET", "/about.json", {}).headers["Content-Security-Policy"]

    assert "connect-src 'self';" in policy(site)
    assert "connect-src 'self' wss:;" in policy(Site({}, {}, ("wss:",)))


def test_what_a_browser_has_is_not_sent_again(site: Site) -> None:
    tag = site.answer("GET", "/", {}).headers["ETag"]
    for condition in (tag, f'"other", W/{tag}', "*"):
        again = site.answer("GET", "/", {"If-None-Match": condition})
        assert again.status is HTTPStatus.NOT_MODIFIED
        assert again.load is None
        assert again.headers["ETag"] == tag
    assert site.answer("GET", "/", {"If-None-Match": '"other"'}).status is HTTPStatus.OK
    packed = site.answer("GET", "/assets/0123/call.js", {"Accept-Encoding": "br"})
    plain = site.answer("GET", "/assets/0123/call.js", {})
    assert packed.headers["ETag"] != plain.headers["ETag"]


def test_methods(site: Site) -> None:
    assert site.answer("HEAD", "/", {}).status is HTTPStatus.OK
    refused = site.answer("POST", "/", {})
    assert refused.status is HTTPStatus.METHOD_NOT_ALLOWED
    assert refused.headers["Allow"] == "GET, HEAD"


SEGMENTS = st.sampled_from(
    ["..", ".", "", "assets", "0123", "call.js", "call.js.gz", "models", "secret.txt", "page",
     "encoder.int8.tflite", "\\..", "%2e%2e", "%2f", "\x00", "C:", "~root", "etc", "passwd"]
)  # fmt: skip
TARGETS = st.one_of(
    st.text(),
    st.text().map(quote),
    st.lists(SEGMENTS, max_size=8).map("/".join),
    st.lists(SEGMENTS, max_size=8).map(lambda parts: "/" + quote("/".join(parts))),
)


@given(target=TARGETS, accept=st.one_of(st.text(), st.sampled_from(["br", "gzip", "*"])))
def test_no_path_leads_out(site: Site, target: str, accept: str) -> None:
    answer = site.answer("GET", target, {"Accept-Encoding": accept, "If-None-Match": accept})
    if answer.load is None:
        return
    loaded = answer.load()
    if isinstance(loaded, Path):
        assert ".." not in loaded.parts
        assert loaded.name != "secret.txt"
        assert loaded.parent.name in ("page", "0123", "models")
    else:
        assert answer.status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND)


def test_files_that_pack_others_have_no_address(site: Site) -> None:
    assert site.answer("GET", "/assets/0123/call.js.gz", {}).status is HTTPStatus.NOT_FOUND


@given(accepted=st.text())
def test_any_accept_encoding_is_read(accepted: str) -> None:
    assert choose_coding(accepted, ("br", "gzip")) in ("br", "gzip", "identity")


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip, br", "br"),
        ("br;q=0, gzip", "gzip"),
        ("gzip;q=0.5", "gzip"),
        ("*", "br"),
        ("*;q=0", "identity"),
        ("BR ; q=1.0", "br"),
        ("br;q=wrong", "identity"),
        ("", "identity"),
    ],
)
def test_codings(accepted: str, chosen: str) -> None:
    assert choose_coding(accepted, ("br", "gzip")) == chosen


def test_a_page_that_was_not_built(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make web"):
        built_files(tmp_path)


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("https://voice.example", "voice.example", True),
        ("https://voice.example", "voice.example:443", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("https://VOICE.example", "voice.EXAMPLE", True),
        ("https://evil.example", "voice.example", False),
        ("https://voice.example:8443", "voice.example", False),
        ("http://voice.example", "voice.example:443", False),
        ("https://voice.example.evil.example", "voice.example", False),
        ("https://voice.example@evil.example", "voice.example", False),
        ("null", "voice.example", False),
        ("null", "", False),
        ("file://", "", False),
        ("https://", "", False),
        ("https://voice.example/x", "voice.example", False),
        ("https://voice.example:99999", "voice.example", False),
    ],
)
def test_origins(origin: str, host: str, same: bool) -> None:
    assert is_same_origin(origin, host) is same


@given(origin=st.text(), host=st.text())
def test_any_origin_is_read(origin: str, host: str) -> None:
    assert is_same_origin(origin, host) in (True, False)
    assert names_this_machine(host) in (True, False)


def test_names_of_this_machine() -> None:
    assert names_this_machine("127.0.0.1:9000")
    assert names_this_machine("[fe80::1]:9000")
    assert names_this_machine("localhost")
    assert not names_this_machine("evil.example:9000")
    assert not names_this_machine("127.0.0.1.evil.example")
    assert not names_this_machine("")
