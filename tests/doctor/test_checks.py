"""The doctor's checks of Python, processor, engines and sound clock."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from q2d2_stream.doctor import Finding, Subject, Verdict, checks_for, worst
from q2d2_stream.doctor.engine import choose_engine, measure_engine
from q2d2_stream.doctor.processor import check_power, check_processor
from q2d2_stream.doctor.python import check_packages, check_python
from q2d2_stream.doctor.sound import measure_drift

PI_4 = """\
processor\t: 0
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU part\t: 0xd08

processor\t: 1
Features\t: fp asimd evtstrm crc32 cpuid
"""
PI_5 = PI_4.replace("cpuid", "atomics asimddp cpuid").replace("0xd08", "0xd0b")
OLD_PC = "model name\t: Intel(R) Core(TM) i5-2500\nflags\t\t: fpu sse2 avx\n"


@pytest.mark.parametrize(
    ("version", "bits", "verdict"),
    [
        ((3, 11), 64, Verdict.GREEN),
        ((3, 13), 64, Verdict.GREEN),
        ((3, 14), 64, Verdict.YELLOW),
        ((3, 11), 32, Verdict.RED),
    ],
)
def test_python_is_judged(version: tuple[int, int], bits: int, verdict: Verdict) -> None:
    (finding,) = check_python(version, bits)
    assert finding.verdict is verdict
    assert bool(finding.advice) == (verdict is not Verdict.GREEN)


def test_missing_packages_are_named_with_the_line_that_installs_them() -> None:
    def version_of(name: str) -> str:
        if name in ("soxr", "websockets", "tflite-runtime", "ai-edge-litert"):
            raise PackageNotFoundError(name)
        return "1.0"

    (finding,) = check_packages(version_of)
    assert finding.verdict is Verdict.RED
    assert finding.advice == "run: pip install soxr websockets"


def test_no_engine_at_all_is_red() -> None:
    def version_of(name: str) -> str:
        if name in ("onnxruntime", "ai-edge-litert", "tflite-runtime"):
            raise PackageNotFoundError(name)
        return "1.0"

    (finding,) = check_packages(version_of)
    assert finding.verdict is Verdict.RED
    assert "onnxruntime" in finding.advice


def test_installed_packages_are_green() -> None:
    (finding,) = check_packages(lambda name: "1.0")
    assert (finding.verdict, finding.advice) == (Verdict.GREEN, "")


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "verdict", "expected"),
    [
        ("aarch64", PI_4, Verdict.GREEN, "Cortex-A72"),
        ("aarch64", PI_5, Verdict.GREEN, "asimddp"),
        ("x86_64", OLD_PC, Verdict.YELLOW, "no vector extensions"),
        ("x86_64", OLD_PC.replace("avx", "avx avx2"), Verdict.GREEN, "avx2"),
    ],
)
def test_processor_is_recognised(
    machine: str, cpuinfo: str, verdict: Verdict, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(cpuinfo)
    (finding,) = check_processor(machine, path, tmp_path / "none")
    assert finding.verdict is verdict
    assert expected in finding.text


def test_board_is_named(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(PI_4)
    (tmp_path / "model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    (finding,) = check_processor("aarch64", tmp_path / "cpuinfo", tmp_path / "model")
    assert finding.text.startswith("Raspberry Pi 4 Model B Rev 1.4, Cortex-A72")
    assert "no dot product" in finding.advice


def test_unreadable_cpuinfo_is_no_failure(tmp_path: Path) -> None:
    (finding,) = check_processor("arm64", tmp_path / "none", tmp_path / "none")
    assert finding.verdict is Verdict.GREEN


@pytest.mark.parametrize(
    ("bits", "verdict"),
    [("0", Verdict.GREEN), ("50000", Verdict.YELLOW), ("50005", Verdict.RED), ("4", Verdict.RED)],
)
def test_throttling_is_judged(bits: str, verdict: Verdict, tmp_path: Path) -> None:
    path = tmp_path / "get_throttled"
    path.write_text(bits + "\n")
    assert check_power(path)[0].verdict is verdict


def test_power_of_other_machines_is_not_mentioned(tmp_path: Path) -> None:
    assert check_power(tmp_path / "none") == []


def test_an_engine_is_measured() -> None:
    (finding,) = measure_engine("onnx", "fp32", frames=20)
    facts = finding.facts
    assert finding.name == "engine onnx fp32"
    assert 0 < facts["median_ms"] <= facts["p99_ms"]
    assert facts["share_p99"] == pytest.approx(facts["p99_ms"] / facts["budget_ms"])


def _measured(engine: str, median_ms: float) -> Finding:
    facts = {"engine": engine, "precision": "int8", "median_ms": median_ms}
    return Finding(engine, Verdict.GREEN, "", facts=facts)


def test_choice_follows_the_measurement() -> None:
    tflite, onnx = _measured("tflite", 1.0), _measured("onnx", 0.95)
    assert choose_engine([tflite, onnx]).facts["engine"] == "tflite"  # not worth an option
    advice = choose_engine([tflite, _measured("onnx", 0.5)])
    assert advice.verdict is Verdict.YELLOW
    assert advice.advice == "use --engine onnx --precision int8"


def test_choice_leaves_out_engines_that_failed() -> None:
    crashed = Finding("engine tflite int8", Verdict.RED, "SIGILL")
    assert choose_engine([crashed, _measured("onnx", 1.0)]).facts["engine"] == "onnx"
    assert choose_engine([crashed]).verdict is Verdict.RED


@pytest.mark.parametrize("ppm", [-180.0, 0.0, 75.0])
def test_drift_is_measured_through_blocks_and_jitter(ppm: float) -> None:
    rng = np.random.default_rng(1)
    frame_s, block_s = 320 / 24_000, 1024 / 48_000
    ticks = frame_s * np.arange(75 * 30)
    delivered = np.ceil(ticks / block_s) * block_s / (1 + 1e-6 * ppm)
    times = delivered + rng.exponential(5e-4, len(ticks))
    drift = measure_drift(list(times), frame_s)
    assert drift.ppm == pytest.approx(ppm, abs=drift.error_ppm + 5)
    assert drift.error_ppm < 60


def test_checks_follow_what_is_asked_for() -> None:
    everything = Subject(
        engines=(("onnx", "fp32"),), peer="a:1", ca="ca", tls_cert="cert", secret_file="secret"
    )
    names = [check.name for check in checks_for(everything)]
    assert names[4:] == [
        "engine onnx fp32", "sound system", "streaming", "secret", "certificate", "authority",
        "peer",
    ]  # fmt: skip
    assert "sound system" not in [check.name for check in checks_for(Subject(sound=False))]


def test_worst_verdict() -> None:
    red, green = Finding("a", Verdict.RED, ""), Finding("b", Verdict.GREEN, "")
    assert worst([green, red, green]) is Verdict.RED
    assert worst([]) is Verdict.GREEN
    assert Finding.from_dict(red.to_dict()) == red
