"""What the processor can do for 8-bit and 32-bit matrix products."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from q2d2_stream.doctor.finding import Finding, Verdict

__all__ = ["check_power", "check_processor"]

_CORES = {"0xd03": "Cortex-A53", "0xd08": "Cortex-A72", "0xd0b": "Cortex-A76"}
_X86 = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8")
_ARM = ("asimd", "asimddp", "i8mm", "sve")


def check_processor(
    machine: str | None = None,
    cpuinfo: Path = Path("/proc/cpuinfo"),
    board: Path = Path("/proc/device-tree/model"),
) -> list[Finding]:
    """The vector instructions that the engines use.

    Args:
        machine: architecture, None for this one's.
        cpuinfo, board: where Linux tells.
    """
    machine = machine or platform.machine()
    try:
        fields = _fields(cpuinfo.read_text())
    except OSError:
        text = f"{machine}; this system does not tell what its processor can do"
        return [Finding("processor", Verdict.GREEN, text, facts={"machine": machine})]
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    is_arm = machine in ("aarch64", "arm64")
    name = fields.get("model name") or _CORES.get(fields.get("CPU part", ""), machine)
    if board.exists():
        name = f"{board.read_text(errors='replace').strip(chr(0))}, {name}"
    features = [flag for flag in (_ARM if is_arm else _X86) if flag in flags]
    facts = {"machine": machine, "name": name, "cores": os.cpu_count(), "features": features}
    text = f"{name}, {os.cpu_count()} cores; {', '.join(features) or 'no vector extensions'}"
    if is_arm:
        # asimddp is the dot product: four 8-bit products in one step.
        advice = (
            "" if "asimddp" in flags else "no dot product: expect int8 to gain by its size alone"
        )
        return [Finding("processor", Verdict.GREEN, text, advice, facts)]
    if machine in ("x86_64", "AMD64") and "avx2" not in flags:
        advice = "without AVX2 the engines are several times slower: go by the benchmark below"
        return [Finding("processor", Verdict.YELLOW, text, advice, facts)]
    return [Finding("processor", Verdict.GREEN, text, "", facts)]


def _fields(cpuinfo: str) -> dict[str, str]:
    """The first processor's entry."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    return fields


def check_power(
    throttled: Path = Path("/sys/devices/platform/soc/soc:firmware/get_throttled"),
) -> list[Finding]:
    """Whether a Raspberry Pi lacks volts or is too hot; nothing on other machines.

    The bits are those of ``vcgencmd get_throttled``.
    """
    try:
        bits = int(throttled.read_text(), 16)
    except (OSError, ValueError):
        return []
    facts = {"throttled": bits}
    if bits & 0x5:  # now: too few volts, slowed down
        advice = "use the board's own power supply and a heat sink: a slowed processor drops sound"
        return [Finding("power", Verdict.RED, "the board is slowed down now", advice, facts)]
    if bits & 0x50000:  # the same, since the board was started
        text = "the board was slowed down since it was started"
        return [Finding("power", Verdict.YELLOW, text, "check power supply and cooling", facts)]
    return [Finding("power", Verdict.GREEN, "enough volts, cool enough", "", facts)]
