"""Holds a call for a user: display, keys, Ctrl-C, statistics, report."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TextIO

from q2d2_stream.cli.call_display import Display
from q2d2_stream.cli.exit_codes import ExitCode
from q2d2_stream.cli.interrupts import Interrupts
from q2d2_stream.cli.keys import key_presses

if TYPE_CHECKING:
    from q2d2_stream.call import CallSession, CallStats
    from q2d2_stream.protocol import Closed
    from q2d2_stream.settings import CallSettings

__all__ = ["KEYS", "exit_code", "hold"]

KEYS = "m mutes, q or Ctrl-C hangs up"
_SHOW_S = 0.2
_JSON_S = 1.0


def exit_code(closed: Closed, was_established: bool) -> ExitCode:
    """The process's exit status for the way a call ended."""
    from q2d2_stream.protocol import Reason

    if closed.reason in (Reason.ENDED, Reason.TAKEN_OVER):
        return ExitCode.OK if was_established else ExitCode.INTERRUPTED
    if closed.reason in (Reason.LOST, Reason.TIMEOUT):
        return ExitCode.UNREACHABLE
    return ExitCode.BUSY if closed.reason is Reason.BUSY else ExitCode.REJECTED


async def hold(
    session: CallSession, settings: CallSettings, display: Display, interrupts: Interrupts
) -> Closed:
    """Run ``session`` to the end of its call, then print its report to stdout.

    Raises what :meth:`q2d2_stream.call.CallSession.run` does.
    """
    from q2d2_stream.call.metrics import MetricsServer
    from q2d2_stream.call.report import report_lines

    def on_key(key: str) -> None:
        if key == "m":
            session.set_mute(not session.muted)
        elif key == "q":
            session.hang_up()

    async with AsyncExitStack() as stack:
        stack.enter_context(interrupts.end_with(session.hang_up))
        if settings.metrics is not None:
            server = MetricsServer(settings.metrics, session.stats)
            await server.start()
            stack.push_async_callback(server.close)
            display.notify(f"metrics at http://127.0.0.1:{server.port}/metrics")
        json_lines = stack.enter_context(_JsonLines(settings.stats_json))
        stack.enter_context(key_presses(on_key))
        stack.callback(display.close)
        if settings.mute:
            session.set_mute(True)
        watching = asyncio.create_task(_watch(session, display, json_lines))
        try:
            closed = await session.run()
        finally:
            watching.cancel()
        json_lines.write(session.stats())
    if session.was_established:
        for line in report_lines(session.stats()):
            print(line, flush=True)
    return closed


async def _watch(session: CallSession, display: Display, json_lines: _JsonLines) -> None:
    step = 0
    while True:
        await asyncio.sleep(_SHOW_S)
        stats = session.stats()
        display.show(stats)
        step += 1
        if step % round(_JSON_S / _SHOW_S) == 0:
            json_lines.write(stats)


class _JsonLines:
    def __init__(self, path: str | None) -> None:
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> _JsonLines:
        if self._path == "-":
            self._file = sys.stdout
        elif self._path is not None:
            self._file = open(self._path, "w", encoding="utf-8")
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None and self._path != "-":
            self._file.close()

    def write(self, stats: CallStats) -> None:
        if self._file is not None:
            self._file.write(json.dumps(stats.to_dict()) + "\n")
            self._file.flush()
