"""``q2d2 serve``: ``q2d2 call`` for a machine that nobody sits at, run by systemd."""

from __future__ import annotations

import argparse
import asyncio
import math
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from q2d2_stream.cli import call, call_parts, room
from q2d2_stream.cli.call_runner import exit_code, hold
from q2d2_stream.cli.exit_codes import ExitCode
from q2d2_stream.cli.interrupts import Interrupts
from q2d2_stream.cli.options import codecs_of

if TYPE_CHECKING:
    from q2d2_stream.call import CallSession, RoomCall
    from q2d2_stream.service import Notifier, ServiceConfig

__all__ = ["DESCRIPTION", "add_arguments", "run"]

_PAUSE_S = 3.0  # before calling a peer again that has hung up
# All that another call may find otherwise.
_MAY_GO_ON = (ExitCode.OK, ExitCode.UNREACHABLE, ExitCode.BUSY)


DESCRIPTION = "Answer calls, or keep one to a peer, for as long as it runs."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--config",
        required=True,
        metavar="FILE",
        help="see docs/guides/raspberry_pi.md, Configuration",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="check the configuration and what it names, print the options, and end",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM."""
    from q2d2_stream.service import Notifier, load_config

    config = load_config(options.config)
    if options.check:
        call.check(config)
        # For a screen or a log, which others may read.
        shown = replace(config, secret="..." if config.secret is not None else None)
        print(" ".join(["q2d2", "call", *shown.to_arguments()]))
        return ExitCode.OK
    return asyncio.run(_serve(config, Notifier()))


async def _serve(config: ServiceConfig, notifier: Notifier) -> int:
    from q2d2_stream.service import ServiceDisplay, Watchdog, push_to_talk

    # A peer that is still starting up is dialled until it answers.
    settings = replace(config, wait=math.inf)
    call_parts.require_distinct_files(settings)
    codecs = codecs_of(settings)
    async with AsyncExitStack() as stack:
        watchdog = await stack.enter_async_context(Watchdog(notifier))
        display = ServiceDisplay(notifier, watchdog)
        stack.callback(notifier.stopping)
        interrupts = stack.enter_context(Interrupts())
        link = room.link_of(settings) if room.is_room(settings) else None
        if link is None:
            line = await call.open_connector(settings, codecs, display, stack)
        first = codecs[0]
        display.notify(f"engine {first.engine} {first.precision}, model {first.model_id}")
        notifier.ready()
        while True:
            async with AsyncExitStack() as of_call:
                recorder = call_parts.recorder_of(settings, is_room=link is not None)
                if recorder is not None:
                    of_call.push_async_callback(asyncio.to_thread, recorder.close)
                session: CallSession | RoomCall
                if link is not None:
                    session = room.room_of(
                        settings, codecs, link, display.notify, recorder=recorder, numbered=True
                    )
                else:
                    session = call_parts.session_of(
                        settings, codecs, line, display.notify, recorder=recorder, numbered=True
                    )
                if config.push_to_talk is not None:
                    of_call.enter_context(push_to_talk(config.push_to_talk, session.set_mute))
                    # hold() begins with what the option says, not with the button.
                    settings = replace(settings, mute=session.muted)
                closed = await hold(session, settings, display, interrupts)
            code = exit_code(closed, session.was_established)
            if code in (ExitCode.OK, ExitCode.INTERRUPTED) and not closed.by_peer:
                return ExitCode.OK  # SIGTERM: this side has hung up
            display.notify(closed.text)
            if code not in _MAY_GO_ON:
                return code
            if config.peer is not None:
                await asyncio.sleep(_PAUSE_S)
