"""What a call looks like while it lasts: a live panel on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from q2d2_stream.cli.terminal import is_foreground

if TYPE_CHECKING:
    from rich.table import Table

    from q2d2_stream.call import CallStats
    from q2d2_stream.call.stats import MemberStats

__all__ = ["Display", "make_display", "people_lines"]

_LINE_S = 5.0
_METER_CELLS = 24
_METER_DB = 60.0


class Display(Protocol):
    """Shows a call on stderr."""

    def notify(self, sentence: str) -> None:
        """Something happened that the user should know."""

    def show(self, stats: CallStats) -> None:
        """The numbers of the moment; call it several times per second."""

    def type(self, text: str | None) -> None:
        """Show the note that the user is typing; None when there is none."""

    def pick(self, member: int | None) -> None:
        """Show whom in a room the keys are about, by number; None for nobody."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def make_display(keys: str) -> Display:
    """A live display when stderr is a terminal, lines otherwise; ``keys`` explains the keys."""
    return _LiveDisplay(keys) if is_foreground(sys.stderr) else _LineDisplay()


def _say(sentence: str) -> None:
    # A call goes on when nobody reads what it says.
    with suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)


def _rtt(stats: CallStats) -> str:
    return "-" if stats.rtt_ms is None else f"{stats.rtt_ms:.0f} ms"


def _cap(stats: CallStats) -> str:
    return "" if stats.max_kbps is None else f" of {stats.max_kbps:g} allowed"


class _LineDisplay:
    def __init__(self) -> None:
        self._next = 0.0

    def notify(self, sentence: str) -> None:
        _say(sentence)

    def show(self, stats: CallStats) -> None:
        now = time.monotonic()
        if stats.state != "talking" or now < self._next:
            return
        self._next = now + _LINE_S
        playout = stats.playout
        _say(
            f"{stats.seconds:.0f} s: sent {stats.sent.codec_kbps:.2f} kbps "
            f"({stats.sent.wire_kbps:.1f}{_cap(stats)} on the wire by {stats.path}), "
            f"received {stats.received.codec_kbps:.2f} "
            f"({stats.received.wire_kbps:.1f}), rtt {_rtt(stats)}, jitter "
            f"{playout.jitter_ms:.0f} ms, delay {playout.actual_delay_ms:.0f} ms, "
            f"{playout.concealed} concealed, {stats.dropped_frames} dropped"
        )

    def type(self, text: str | None) -> None:
        """Nothing: the terminal of the keys is not that of the lines."""

    def pick(self, member: int | None) -> None:
        """Nothing: there are no keys."""

    def close(self) -> None:
        """Nothing to restore."""


class _LiveDisplay:
    def __init__(self, keys: str) -> None:
        from rich.console import Console
        from rich.live import Live

        self._keys = keys
        self._stats: CallStats | None = None
        self._typed: str | None = None
        self._picked: int | None = None
        # Drawn only when told to: rich's own refresh thread would compete with the codec.
        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
        self._live.start()

    def notify(self, sentence: str) -> None:
        from rich.text import Text

        self._live.console.print(Text(sentence))  # as text: a peer's note is not markup

    def show(self, stats: CallStats) -> None:
        self._stats = stats
        table = _table(stats, self._keys, self._typed, self._picked)
        self._live.update(table, refresh=True)

    def type(self, text: str | None) -> None:
        self._typed = text
        if self._stats is not None:
            self.show(self._stats)

    def pick(self, member: int | None) -> None:
        self._picked = member
        if self._stats is not None:
            self.show(self._stats)

    def close(self) -> None:
        self._live.stop()


def _meter(rms_db: float, peak_db: float) -> str:
    def cells(level_db: float) -> int:
        return round(_METER_CELLS * min(1.0, max(0.0, 1.0 + level_db / _METER_DB)))

    bar = ["="] * cells(rms_db) + [" "] * (_METER_CELLS - cells(rms_db))
    if cells(peak_db):
        bar[cells(peak_db) - 1] = "|"
    return f"[{''.join(bar)}] {rms_db:4.0f} dB"


def people_lines(members: Iterable[MemberStats], picked: int | None) -> list[str]:
    """The others in a room, a line of each; ``picked`` is the number of whom the keys are about."""
    lines = []
    for member in members:
        facts = ["talks"] * member.talking + ["muted"] * member.muted
        facts += ["RECORDS"] * member.recording
        if member.gain != 1.0:
            facts.append(f"{member.gain:.0%} loud" if member.gain else "silenced here")
        mark = ">" if member.number == picked else " "
        lines.append(f"{mark} {member.name}{'  ' * bool(facts)}{', '.join(facts)}")
    return lines


def _table(stats: CallStats, keys: str, typed: str | None, picked: int | None) -> Table:
    from rich.table import Table
    from rich.text import Text

    playout, sent, received = stats.playout, stats.sent, stats.received
    muted = "  MUTED" if stats.muted else ""
    peer_muted = "  muted" if stats.peer_muted else ""
    drops = f", {stats.dropped_frames} frames dropped" if stats.dropped_frames else ""
    down = f", {stats.steps_down} steps down" if stats.steps_down else ""
    who = f"with {len(stats.members)} others" if stats.members else stats.peer
    rows = {
        "call": f"{stats.state} {stats.seconds:.0f} s  {who}  {stats.path}",
        "me": _meter(stats.near_rms_db, stats.near_peak_db) + muted,
        "peer": _meter(stats.far_rms_db, stats.far_peak_db) + peer_muted,
        "sent": f"{sent.codec_kbps:.2f} kbps, {sent.wire_kbps:.1f}{_cap(stats)} on the wire; rate "
        f"{stats.rate_kbps:.2f} nominally, {stats.frames_per_message} frames per message"
        f"{down}{drops}",
        "received": f"{received.codec_kbps:.2f} kbps, {received.wire_kbps:.1f} on the wire",
        "network": f"rtt {_rtt(stats)}, jitter {playout.jitter_ms:.0f} ms, {playout.lost} lost, "
        f"{playout.stalls} stalls, drift {playout.drift_ppm:+.0f} ppm",
        "playout": f"{playout.actual_delay_ms:.0f} ms delay, target "
        f"{playout.target_delay_ms:.0f}, {playout.buffered_frames} frames held, "
        f"{playout.concealed} concealed",
        "sound": f"{stats.source.xruns + stats.source.dropped_samples} input, "
        f"{stats.sink.xruns + stats.sink.underruns} output troubles",
        "keys": keys if typed is None else "Enter sends the note, Esc leaves it",
    }
    if stats.members:
        rows["people"] = "\n".join(people_lines(stats.members, picked))
    if typed is not None:
        rows["note"] = f"{typed}_"
    table = Table.grid(padding=(0, 2))
    for name, text in rows.items():
        table.add_row(Text(name, style="bold"), Text(text))
    return table
