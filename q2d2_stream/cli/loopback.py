"""``q2d2 loopback``: hear yourself through the codec and a simulated network."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from q2d2_stream.cli import call_parts
from q2d2_stream.cli.call_display import make_display
from q2d2_stream.cli.call_options import add_settings_arguments, settings_of, show_devices
from q2d2_stream.cli.call_runner import KEYS, exit_code, hold
from q2d2_stream.cli.interrupts import Interrupts
from q2d2_stream.cli.options import codecs_of
from q2d2_stream.cli.process_start import process_start_s

if TYPE_CHECKING:
    from q2d2_stream.netsim import LinkSpec
    from q2d2_stream.settings import CallSettings

__all__ = ["DESCRIPTION", "add_arguments", "run"]


DESCRIPTION = (
    "Microphone, encoder, call messages, network, playout, decoder, loudspeaker: all on this "
    "machine. Use headphones."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    network = parser.add_argument_group("network", "each goes before what --simulate says")
    network.add_argument("--delay", type=float, metavar="MS", help="fixed delay")
    network.add_argument("--jitter", type=float, metavar="MS", help="random delay up to MS more")
    network.add_argument("--loss", type=float, metavar="SHARE", help="messages lost, 0 to 1")
    add_settings_arguments(parser, without=("peer",))


def run(args: argparse.Namespace) -> int:
    """Run the loopback."""
    if args.list_devices:
        return show_devices()
    settings = settings_of(args)
    return asyncio.run(_loopback(settings, _network(args, settings.simulate)))


async def _loopback(settings: CallSettings, network: LinkSpec) -> int:
    from q2d2_stream.call.echo import EchoConnector
    from q2d2_stream.netsim import simulated

    call_parts.require_distinct_files(settings)
    codecs = codecs_of(settings)
    # The echo of the last word is still under way when the input ends.
    linger_s = 0.5 + 1e-3 * (network.delay_ms + network.jitter_ms)
    display = make_display(KEYS)
    recorder = call_parts.recorder_of(settings)
    try:
        session = call_parts.session_of(
            settings,
            codecs,
            EchoConnector(call_parts.endpoint_of(settings, codecs), simulated(network)),
            display.notify,
            recorder=recorder,
            hangup_at_end=True,
            linger_s=linger_s,
            begun_s=process_start_s(),
        )
        with Interrupts() as interrupts:
            closed = await hold(session, settings, display, interrupts)
    finally:
        display.close()
        if recorder is not None:
            await asyncio.to_thread(recorder.close)
    return exit_code(closed, session.was_established)


def _network(args: argparse.Namespace, simulate: str | None) -> LinkSpec:
    from q2d2_stream.netsim import parse_link

    named = {"delay_ms": args.delay, "jitter_ms": args.jitter, "loss": args.loss}
    given = {name: value for name, value in named.items() if value is not None}
    return replace(parse_link(simulate or ""), **given)
