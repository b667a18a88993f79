"""Pages over real sockets: relays and listeners hand them out, and refuse other sites' pages."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from q2d2_stream.relay import Relay
from q2d2_stream.transport import parse_address
from q2d2_stream.transport.limits import ConnectionLimits
from q2d2_stream.transport.tls import server_context
from q2d2_stream.web import Site, built_files
from tests.labs.call import listen
from tests.labs.call import run_in_real_time as run
from tests.labs.tls import self_signed
from tests.web.test_site import MODELS, lay_out

pytestmark = pytest.mark.net


@pytest.fixture(name="site")
def make_site(tmp_path: Path) -> Site:
    page, models = lay_out(tmp_path)
    (page / "big.wasm").write_bytes(b"\0" * 3_000_000)
    return Site(built_files(page, models), {"serves": "call"})


async def fetch(
    port: int,
    target: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """A request as browsers make it, by a client of the standard library."""

    def ask() -> tuple[int, dict[str, str], bytes]:
        link = (
            http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            if tls is None
            else http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=tls)
        )
        link.request(method, target, headers=dict(headers or {}))
        response = link.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()

    return await asyncio.to_thread(ask)


async def status_of(port: int, path: str, origin: str, **options: object) -> int:
    """What a page from ``origin`` gets for a websocket."""
    try:
        async with connect(
            f"ws://127.0.0.1:{port}{path}", additional_headers={"Origin": origin}, compression=None
        ):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def test_a_listener_hands_out_the_page(site: Site) -> None:
    async def main() -> None:
        async with listen(site=site) as listener:
            status, headers, data = await fetch(listener.port, "/")
            assert (status, data) == (200, b"<!doctype html>call")
            assert headers["connection"] == "close"
            assert "server" not in headers
            status, headers, data = await fetch(
                listener.port, "/models/encoder.int8.tflite", headers={"Accept-Encoding": "gzip"}
            )
            assert gzip.decompress(data) == MODELS["encoder.int8.tflite"]
            status, headers, data = await fetch(listener.port, "/big.wasm", "HEAD")
            assert (status, headers["content-length"], data) == (200, "3000000", b"")
            status, headers, _ = await fetch(listener.port, "/nothing")
            assert (status, headers["x-content-type-options"]) == (404, "nosniff")
            tag = (await fetch(listener.port, "/"))[1]["etag"]
            status, _, data = await fetch(listener.port, "/", headers={"If-None-Match": tag})
            assert (status, data) == (304, b"")
            status, _, _ = await fetch(listener.port, "/", headers={"Host": "evil.example"})
            assert status == 421
            assert listener.strangers == 0 or await gone(listener.port)

    async def gone(port: int) -> bool:
        await asyncio.sleep(0.5)
        return True

    run(main())


def test_which_pages_may_call(site: Site) -> None:
    async def main() -> None:
        async with listen(site=site, web_host="voice.example") as listener:
            own = f"http://127.0.0.1:{listener.port}"
            assert await status_of(listener.port, "/", own) == 101
            for origin in ("http://evil.example", "null", f"http://127.0.0.1:{listener.port + 1}"):
                assert await status_of(listener.port, "/", origin) == 403
            proxied = {"Host": "voice.example"}
            assert (await fetch(listener.port, "/", headers=proxied))[0] == 200
        async with listen() as listener:
            assert await status_of(listener.port, "/", f"http://127.0.0.1:{listener.port}") == 403

    run(main())


def test_a_relay_hands_out_the_page(site: Site) -> None:
    async def main() -> None:
        for has_site in (True, False):
            relay = Relay(parse_address("127.0.0.1:0"), site=site if has_site else None)
            await relay.start()
            try:
                assert (await fetch(relay.port, "/healthz"))[2] == b"alive\n"
                assert (await fetch(relay.port, "/"))[0] == (200 if has_site else 404)
                # Another relay of a room's link may have served the page.
                for origin in (f"http://127.0.0.1:{relay.port}", "https://other.example"):
                    assert await status_of(relay.port, "/room", origin) == 101
            finally:
                await relay.close()

    run(main())


def test_with_tls(site: Site, tmp_path: Path) -> None:
    async def main() -> None:
        cert, key = self_signed(tmp_path)
        context = ssl.create_default_context(cafile=str(cert))
        async with listen(site=site, ssl_context=server_context(cert, key)) as listener:
            status, _, data = await fetch(listener.port, "/big.wasm", tls=context)
            assert (status, len(data)) == (200, 3_000_000)

    run(main())


def test_a_slow_browser_gets_all_of_it_and_an_idle_one_is_cut_off(site: Site) -> None:
    """The body takes longer than strangers have to open a websocket."""

    async def main() -> None:
        limits = ConnectionLimits(open_s=0.5, take_s=1.5)
        async with listen(site=site, limits=limits) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, limit=4096)
            writer.write(b"GET /big.wasm HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            received = 0
            while piece := await reader.read(50_000):
                received += len(piece)
                await asyncio.sleep(0.02)
            assert received > 3_000_000
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, limit=4096)
            writer.write(b"GET /big.wasm HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            await asyncio.sleep(5.0)
            assert listener.strangers == 0
            writer.close()

    run(main())


def test_who_opens_nothing_is_cut_off(site: Site) -> None:
    async def main() -> None:
        async with listen(site=site, limits=ConnectionLimits(open_s=0.5)) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(b"GET /")
            assert await reader.read() == b""
            writer.close()

    run(main())
