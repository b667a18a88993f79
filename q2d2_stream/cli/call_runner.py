"""Holds a call for a user: display, keys, Ctrl-C, statistics, report."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, closing, suppress
from typing import TYPE_CHECKING

from q2d2_stream.cli.call_display import Display
from q2d2_stream.cli.exit_codes import ExitCode
from q2d2_stream.cli.failures import leave_pipe
from q2d2_stream.cli.hold_key import HoldKey
from q2d2_stream.cli.interrupts import Interrupts
from q2d2_stream.cli.keys import key_presses
from q2d2_stream.cli.member_keys import MemberKeys
from q2d2_stream.cli.note_line import NoteLine
from q2d2_stream.cli.stats_lines import StatsLines

if TYPE_CHECKING:
    from q2d2_stream.call import CallSession, RoomCall
    from q2d2_stream.protocol import Closed
    from q2d2_stream.settings import CallSettings

__all__ = ["KEYS", "exit_code", "hold", "room_keys"]

KEYS = "m or the space bar mutes, t types a note, q or Ctrl-C hangs up"
_SHOW_S = 0.2
_JSON_S = 1.0


def room_keys(*, push_to_talk: bool) -> str:
    """What the keys do in a room."""
    talk = "hold the space bar to talk" if push_to_talk else "m or the space bar mutes"
    others = "Tab picks somebody: + louder, - quieter, x silent"
    return f"{talk}; {others}; c shows a code to come in by, t types a note, q or Ctrl-C leaves"


def exit_code(closed: Closed, was_established: bool) -> ExitCode:
    """The process's exit status for the way a call ended."""
    from q2d2_stream.protocol import Reason

    if closed.reason in (Reason.ENDED, Reason.TAKEN_OVER):
        return ExitCode.OK if was_established else ExitCode.INTERRUPTED
    if closed.reason in (Reason.LOST, Reason.TIMEOUT):
        return ExitCode.UNREACHABLE
    return ExitCode.BUSY if closed.reason is Reason.BUSY else ExitCode.REJECTED


async def hold(
    session: CallSession | RoomCall,
    settings: CallSettings,
    display: Display,
    interrupts: Interrupts,
) -> Closed:
    """Run ``session`` to the end of its call, then print its report to stdout.

    Raises what :meth:`q2d2_stream.call.CallSession.run` does.
    """
    from q2d2_stream.call import RoomCall
    from q2d2_stream.call.metrics import MetricsServer
    from q2d2_stream.call.report import report_lines

    def send_note(text: str) -> None:
        sent = session.send_text(text)
        display.notify(f"you: {text}" if sent else "the note was not sent: nobody is connected")

    note = NoteLine(send_note)
    members = None
    if isinstance(session, RoomCall):
        members = MemberKeys(session, display.notify, display.pick)
    talk = HoldKey(lambda held: session.set_mute(not held))

    def on_key(key: str) -> None:
        if note.text is not None:
            note.press(key)
            display.type(note.text)
        elif key == "t":
            note.begin()
            display.type(note.text)
        elif key == "c" and isinstance(session, RoomCall):
            session.show_code()
        elif key == " " and members is not None and settings.ptt:
            talk.press()
        elif members is not None and members.press(key):
            pass
        elif key in ("m", " "):
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
        json_lines = stack.enter_context(closing(StatsLines(settings.stats_json, display.notify)))
        stack.enter_context(key_presses(on_key))
        stack.callback(talk.close)
        stack.callback(display.close)
        if settings.mute:
            session.set_mute(True)
        watching = asyncio.create_task(_watch(session, display, json_lines))
        try:
            return await session.run()
        finally:
            watching.cancel()
            json_lines.write(session.stats())
            display.close()
            if session.was_established:
                _print_report(report_lines(session.stats()))


def _print_report(lines: list[str]) -> None:
    """To stdout or, where nobody reads that, to stderr: a report is never lost."""
    text = "".join(f"{line}\n" for line in lines)
    try:
        print(text, end="", flush=True)
    except OSError:
        leave_pipe()
        with suppress(OSError):
            print(text, end="", file=sys.stderr, flush=True)


async def _watch(session: CallSession | RoomCall, display: Display, json_lines: StatsLines) -> None:
    step = 0
    while True:
        await asyncio.sleep(_SHOW_S)
        stats = session.stats()
        display.show(stats)
        step += 1
        if step % round(_JSON_S / _SHOW_S) == 0:
            json_lines.write(stats)
