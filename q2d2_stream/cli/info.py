"""``q2d2 info``: what a .q2d2 file holds, or what the model of this package is."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field

from q2d2_stream.cli.facts import model_facts, print_facts
from q2d2_stream.cli.options import add_models_argument, codec_of
from q2d2_stream.config import Rate
from q2d2_stream.container import Block, End, Event, Header, Lost, Reader
from q2d2_stream.errors import FormatError, MissingExtra, ModelError

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = "Show what a .q2d2 file holds, or what the model is."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "file", nargs="?", help="a .q2d2 file, - for stdin; without it, the model is described"
    )
    add_models_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print to stdout. A file is read through once; its model only tells what its rates are."""
    if args.file is None:
        print_facts(model_facts(codec_of(args)))
        return 0
    from q2d2_stream.files.decode import read_pieces
    from q2d2_stream.files.reader import open_binary, source_name

    summary = _Summary()
    reader = Reader()
    try:
        with open_binary(args.file) as stream:
            for data in read_pieces(stream):
                summary.bytes += len(data)
                for event in reader.feed(data):
                    summary.take(event)
        for event in reader.close():
            summary.take(event)
    except FormatError as error:
        raise FormatError(f"{source_name(args.file)}: {error}") from error
    assert summary.header is not None
    print_facts(summary.facts(_ladder_of(args, summary.header)))
    return 0


def _ladder_of(args: argparse.Namespace, header: Header) -> tuple[Rate, ...]:
    """The rates of the model that made the file; none where that model is not here."""
    try:
        codec = codec_of(args)
    except (ModelError, MissingExtra):
        return ()
    return codec.config.ladder if codec.model_hash == header.model_hash else ()


@dataclass
class _Summary:
    bytes: int = 0
    header: Header | None = None
    end: End | None = None
    frames_at: Counter[int] = field(default_factory=Counter)
    blocks: int = 0
    coded_blocks: int = 0
    payload_bytes: int = 0
    lost_frames: int = 0
    skipped_bytes: int = 0

    def take(self, event: Event) -> None:
        match event:
            case Header():
                self.header = event
            case Block():
                self.frames_at[event.rate] += event.frames
                self.blocks += 1
                self.coded_blocks += event.coded
                self.payload_bytes += len(event.payload)
            case Lost():
                self.lost_frames += event.frames + event.cut
                self.skipped_bytes += event.skipped_bytes
            case End():
                self.end = event

    def facts(self, ladder: tuple[Rate, ...]) -> dict[str, str]:
        assert self.header is not None
        assert self.end is not None
        header, end = self.header, self.end
        held = max(0, end.frames * header.hop - header.lookahead)
        samples = held if end.samples is None else min(held, end.samples)
        seconds = samples / header.sample_rate
        kbps = f", {8e-3 * self.bytes / seconds:.2f} kbps with file overhead" if seconds else ""
        rates = [f"{n} at {_name(ladder, rate)}" for rate, n in sorted(self.frames_at.items())]
        return {
            "made by model": f"{header.model_id} ({header.model_hash.hex()})",
            "length": f"{seconds:.2f} s, {samples} samples at {header.sample_rate} Hz",
            "size": f"{self.bytes} bytes{kbps}",
            "frames": f"{end.frames} of {1000 * header.hop / header.sample_rate:.1f} ms"
            + (f": {', '.join(rates)}" if rates else ""),
            "bitrate": self._bitrate(header, ladder),
            "damage": self._damage(end),
        }

    def _bitrate(self, header: Header, ladder: tuple[Rate, ...]) -> str:
        """What the indices take, and what they would take at their fixed size."""
        frames = self.frames_at.total()
        if not frames:
            return "no frames"
        seconds = frames * header.hop / header.sample_rate
        real = f"{8e-3 * self.payload_bytes / seconds:.2f} kbps"
        if not header.tables:
            return f"{real}, fixed size"
        nominal = ""
        if all(rate < len(ladder) for rate in self.frames_at):
            bits = sum(ladder[rate].bits_per_frame * n for rate, n in self.frames_at.items())
            nominal = f", nominally {1e-3 * bits / seconds:.2f}"
        return (
            f"{real}{nominal}; {self.coded_blocks} of {self.blocks} blocks entropy coded, "
            f"tables {header.tables:08x}"
        )

    def _damage(self, end: End) -> str:
        found = []
        if self.lost_frames:
            found.append(f"{self.lost_frames} frames lost")
        if self.skipped_bytes:
            found.append(f"{self.skipped_bytes} bytes damaged")
        if not end.complete:
            found.append("cut short")
        return ", ".join(found) or "none"


def _name(ladder: tuple[Rate, ...], rate: int) -> str:
    return str(ladder[rate]) if rate < len(ladder) else f"rate {rate} of its model"
