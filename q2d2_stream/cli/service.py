"""``q2d2-service``: ``q2d2-call`` for a machine that nobody sits at, run by systemd."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from q2d2_stream import __version__
from q2d2_stream.cli import call, call_parts
from q2d2_stream.cli.call_runner import EXIT_CODES, exit_code, hold
from q2d2_stream.cli.failures import run_command
from q2d2_stream.cli.interrupts import Interrupts
from q2d2_stream.cli.options import codec_of

if TYPE_CHECKING:
    from q2d2_stream.service import Notifier, ServiceConfig

__all__ = ["main"]

_PAUSE_S = 3.0  # before calling a peer again that has hung up
_MAY_GO_ON = (0, 3, 4)  # ended, lost, busy: all that another call may find otherwise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="q2d2-service",
        description="Answers calls, or keeps one to a peer, for as long as it runs.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"q2d2-stream {__version__}")
    parser.add_argument(
        "--config",
        required=True,
        metavar="FILE",
        help="see docs/guides/raspberry_pi.md, Configuration",
    )
    parser.add_argument(
        "--check", action="store_true", help="read the configuration, print the options, and end"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM and return the exit status; see ``q2d2-service --help``."""
    options = _parser().parse_args(argv)

    def command() -> int:
        from q2d2_stream.service import Notifier, load_config

        config = load_config(options.config)
        if options.check:
            print(" ".join(["q2d2-call", *config.to_arguments()]))
            return 0
        return asyncio.run(_serve(config, Notifier()))

    return run_command("q2d2-service", command)


async def _serve(config: ServiceConfig, notifier: Notifier) -> int:
    from q2d2_stream.service import ServiceDisplay, Watchdog, push_to_talk

    args = call.call_parser().parse_args(config.to_arguments())
    args.wait = math.inf  # a peer that is still starting up is dialled until it answers
    codec = codec_of(args, denoise=args.denoise)
    async with AsyncExitStack() as stack:
        watchdog = await stack.enter_async_context(Watchdog(notifier))
        display = ServiceDisplay(notifier, watchdog)
        stack.callback(notifier.stopping)
        interrupts = stack.enter_context(Interrupts())
        line = await call.open_connector(args, codec, display, stack)
        display.notify(f"engine {codec.engine} {codec.precision}, model {codec.model_id}")
        notifier.ready()
        while True:
            session = call_parts.session_of(args, codec, line, display.notify)
            async with AsyncExitStack() as button:
                if config.push_to_talk is not None:
                    button.enter_context(push_to_talk(config.push_to_talk, session.set_mute))
                    # hold() begins with what the option says, not with the button.
                    args.mute = session.muted
                closed = await hold(session, args, display, interrupts)
            code = exit_code(closed, session.was_established)
            if code in (0, 130) and not closed.by_peer:
                return 0  # SIGTERM: this side has hung up
            display.notify(closed.text)
            if code not in _MAY_GO_ON:
                return code
            if config.peer is not None:
                await asyncio.sleep(_PAUSE_S)


if __name__ == "__main__":
    sys.exit(main())
