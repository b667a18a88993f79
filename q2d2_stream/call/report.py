"""A call's report, for people."""

from __future__ import annotations

from q2d2_stream.audio.stream import FRAME_SAMPLES, SAMPLE_RATE
from q2d2_stream.call.stats import CallStats
from q2d2_stream.playout import DelayParts, PlayoutStats

__all__ = ["delay_sentence", "report_lines"]


def delay_sentence(parts: DelayParts) -> str:
    """A mouth-to-ear delay and its parts."""
    return (
        f"{parts.total_ms:.0f} ms = codec {parts.codec_ms:.0f} + message "
        f"{parts.packetisation_ms:.0f} + network {parts.network_ms:.0f} + jitter buffer "
        f"{parts.jitter_buffer_ms:.0f} + sound devices {parts.device_ms:.0f} "
        f"+ voice processing {parts.processing_ms:.0f}"
    )


def report_lines(stats: CallStats) -> list[str]:
    """What happened, one aligned line to each fact."""
    facts = {"call": _length(stats), "sent": _sent(stats), "received": _received(stats)}
    playout = stats.playout
    if playout.played:
        facts["delay p50"] = delay_sentence(playout.delay_p50)
        facts["delay p95"] = delay_sentence(playout.delay_p95)
    facts["heard"] = _heard(playout)
    facts["network"] = _network(stats)
    if (report := stats.peer_report) is not None:
        heard_s = report.received * FRAME_SAMPLES / SAMPLE_RATE
        facts["the peer"] = (
            f"received {report.received} of {stats.counters.sent_frames} frames "
            f"({heard_s:.1f} s), missed {report.lost}, jitter {report.jitter_ms:.0f} ms, "
            f"delay {report.delay_ms:.0f} ms"
        )
    if sound := _sound(stats):
        facts["sound"] = sound
    if refused := _refused(stats):
        facts["refused"] = refused
    facts["this program"] = (
        f"event loop late by {stats.loop_lag_p99_ms:.1f} ms (p99), {stats.loop_lag_max_ms:.0f} ms "
        f"at worst; {100 * stats.cpu_share:.0f} % of a processor core"
    )
    width = max(map(len, facts))
    return [f"{name:<{width}}  {text}" for name, text in facts.items()]


def _length(stats: CallStats) -> str:
    minutes, seconds = divmod(stats.seconds, 60)
    text = f"{minutes:.0f} min {seconds:.1f} s with {stats.peer or 'nobody'}"
    if stats.first_sound_ms is not None:
        text += f", the first sound after {stats.first_sound_ms / 1000:.2f} s"
    if stats.connections > 1:
        text += f", {stats.connections} connections"
    return text


def _sent(stats: CallStats) -> str:
    sent = stats.sent
    text = (
        f"{sent.mean_codec_kbps:.2f} kbps codec (nominally {sent.mean_nominal_kbps:.2f}), "
        f"{sent.mean_wire_kbps:.1f} kbps on the wire, "
        f"{stats.counters.sent_frames} frames in {stats.counters.sent} messages, "
        f"lastly by {stats.path or 'nothing'}"
    )
    if stats.dropped_frames:
        text += f"; {stats.dropped_frames} frames dropped for a link too slow or broken"
    return text


def _received(stats: CallStats) -> str:
    received = stats.received
    return (
        f"{received.mean_codec_kbps:.2f} kbps codec (nominally "
        f"{received.mean_nominal_kbps:.2f}), {received.mean_wire_kbps:.1f} kbps on the wire, "
        f"{stats.counters.received_frames} frames in {stats.counters.received} messages"
    )


def _heard(playout: PlayoutStats) -> str:
    causes = {
        "lost": playout.lost,
        "late": playout.late,
        "skipped after stalls": playout.skipped,
        "overflowed": playout.overflow,
    }
    parts = [f"{playout.played} frames played", f"{playout.concealed} concealed"]
    if playout.repaired:
        parts.append(f"{playout.repaired} of those played from copies")
    parts += [f"{count} {name}" for name, count in causes.items() if count]
    if playout.accelerated_ms or playout.expanded_ms:
        parts.append(
            f"stretched by -{playout.accelerated_ms:.0f} and +{playout.expanded_ms:.0f} ms"
        )
    return ", ".join(parts)


def _network(stats: CallStats) -> str:
    playout = stats.playout
    rtt = "unknown" if stats.rtt_min_ms is None else f"{stats.rtt_min_ms:.1f} ms at least"
    return (
        f"round trip {rtt}, jitter {playout.jitter_ms:.0f} ms, {playout.stalls} stalls, "
        f"the peer's sound clock {playout.drift_ppm:+.0f} ppm"
    )


def _sound(stats: CallStats) -> str:
    source, sink = stats.source, stats.sink
    troubles = {
        "input overflows": source.xruns,
        "output underflows": sink.xruns + sink.underruns,
        "input samples dropped": source.dropped_samples,
        "output samples dropped": sink.dropped_samples,
        "times a device was gone": source.losses + sink.losses,
    }
    return ", ".join(f"{count} {name}" for name, count in troubles.items() if count)


def _refused(stats: CallStats) -> str:
    counters = stats.counters
    kinds = {
        "changed or forged": counters.forged,
        "come again": counters.replayed,
        "malformed": counters.malformed,
        "unknown": counters.unknown,
        "out of place": counters.out_of_place,
        "duplicate": counters.duplicate,
        "out of the window": counters.out_of_window,
        "too many at once": counters.rate_limited,
        "not sent": counters.not_sent,
        "not taken by the playout": stats.inbox_dropped,
    }
    found = [f"{count} {name}" for name, count in kinds.items() if count]
    return f"messages: {', '.join(found)}" if found else ""
