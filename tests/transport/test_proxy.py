"""Proxies of the environment: which one counts, and what is wrong with it."""

from __future__ import annotations

import asyncio
import os

import pytest

from q2d2_stream.call import CallClient, ClientOptions
from q2d2_stream.errors import InputError, MissingExtra, Q2D2Error
from q2d2_stream.protocol import Closed, Reason
from q2d2_stream.transport import proxy as module
from q2d2_stream.transport.address import parse_address
from q2d2_stream.transport.proxy import proxy_for
from tests.labs.call import endpoint

PLAIN, SECURE = parse_address("192.0.2.1:9000"), parse_address("wss://192.0.2.1:9000")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def test_nothing_is_asked_for() -> None:
    assert proxy_for(PLAIN) is None
    assert proxy_for(SECURE) is None


@pytest.mark.parametrize(
    ("variable", "value", "url"),
    [
        ("http_proxy", "http://proxy.example:3128", "http://proxy.example:3128"),
        ("HTTP_PROXY", "proxy.example:3128", "http://proxy.example:3128"),
        ("https_proxy", "localhost:1", "http://localhost:1"),
        ("all_proxy", "https://[2001:db8::1]:8080", "https://[2001:db8::1]:8080"),
        ("ws_proxy", "http://user:word@proxy.example/", "http://user:word@proxy.example/"),
    ],
)
def test_a_proxy_is_found(
    variable: str, value: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    route = proxy_for(PLAIN)
    assert route is not None
    assert route.url == url
    assert str(route).endswith(f" of {variable}")
    assert "word" not in str(route) + repr(route)
    assert proxy_for(parse_address("127.0.0.1:9000")) is None
    monkeypatch.setenv("no_proxy", "192.0.2.1")
    assert proxy_for(PLAIN) is None


def test_plain_proxies_are_not_for_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    assert proxy_for(SECURE) is None
    monkeypatch.setenv("http_proxy", "")
    assert proxy_for(PLAIN) is None


@pytest.mark.parametrize(
    "value",
    [
        "ftp://127.0.0.1:1",
        "http://",
        "http://user@127.0.0.1:1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://127.0.0.1:1/path",
        "http://a..b:1",
        "http://[::1",
        "://",
    ],
)
def test_what_is_no_proxy_is_one_sentence_that_names_the_variable(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", value)
    for address in (PLAIN, SECURE):
        with pytest.raises(InputError, match=r"^https_proxy .*, expected https_proxy as http://"):
            proxy_for(address)


def test_socks_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5h://127.0.0.1:1")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"all_proxy needs the package python-socks"):
        proxy_for(PLAIN)
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    assert proxy_for(PLAIN) is not None


async def _refusing_proxy(answer: bytes) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.net
@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"what?\r\n\r\n", b""])
def test_a_proxy_that_refuses_is_named(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> Closed:
        async with await _refusing_proxy(answer) as server:
            port = server.sockets[0].getsockname()[1]
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
            options = ClientOptions(wait_s=0)
            closed = await CallClient(PLAIN, endpoint(), options=options, auth=False).open()
            assert isinstance(closed, Closed)
            assert f"through the proxy http://127.0.0.1:{port} of http_proxy (" in closed.text
            return closed

    assert asyncio.run(run()).reason is Reason.LOST


@pytest.mark.parametrize(
    "text", ["a..b:9000", ".:9000", f"{'a' * 64}.example:9000", "ho st:9000", "a\tb:1", "[::1"]
)
def test_names_that_cannot_be(text: str) -> None:
    with pytest.raises(InputError, match="is not an address"):
        parse_address(text)


def test_port_0_is_for_listeners() -> None:
    address = parse_address("127.0.0.1:0")
    with pytest.raises(Q2D2Error, match="port 0"):
        CallClient(address, endpoint())
