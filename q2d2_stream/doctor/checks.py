"""Which checks there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from q2d2_stream.doctor.runner import Check

__all__ = ["ENGINE", "Subject", "checks_for"]

ENGINE = "q2d2_stream.doctor.engine:measure_engine"


@dataclass(frozen=True)
class Subject:
    """What to look at; the options of ``q2d2-doctor``.

    Attributes:
        engines: engines and precisions to measure, in the order in which ``auto`` prefers them.
        models: folder of the models, None for the shipped ones.
        sound: whether to open sound devices.
        input, output: devices, None for the default ones.
        seconds: how long to record and play.
        peer: address to reach, or None.
        ca, tls_cert, tls_key, secret_file: files, or None.
    """

    engines: tuple[tuple[str, str], ...] = ()
    models: str | None = None
    sound: bool = True
    input: str | None = None
    output: str | None = None
    seconds: float = 5.0
    peer: str | None = None
    ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    secret_file: str | None = None


def checks_for(subject: Subject) -> list[Check]:
    """The checks, in the order of the report. One after the other: they measure."""
    checks = [
        _check("Python", "python:check_python"),
        _check("packages", "python:check_packages"),
        _check("processor", "processor:check_processor"),
        _check("power", "processor:check_power"),
    ]
    for engine, precision in subject.engines:
        options = {"engine": engine, "precision": precision, "models": subject.models}
        checks.append(Check(f"engine {engine} {precision}", ENGINE, options, limit_s=60.0))
    if subject.sound:
        devices = {"wanted_input": subject.input, "wanted_output": subject.output}
        checks.append(_check("sound system", "sound:check_devices", **devices))
        streaming = devices | {"seconds": subject.seconds}
        checks.append(
            Check(
                "streaming",
                "q2d2_stream.doctor.sound:check_streaming",
                streaming,
                limit_s=subject.seconds + 20.0,
            )
        )
    if subject.secret_file:
        checks.append(_check("secret", "security:check_secret", path=subject.secret_file))
    if subject.tls_cert:
        files = {"cert": subject.tls_cert, "key": subject.tls_key}
        checks.append(_check("certificate", "security:check_certificate", **files))
    if subject.ca:
        checks.append(_check("authority", "security:check_authority", ca=subject.ca))
    if subject.peer:
        checks.append(_check("peer", "network:check_peer", peer=subject.peer, ca=subject.ca))
    return checks


def _check(name: str, target: str, **options: Any) -> Check:
    return Check(name, f"q2d2_stream.doctor.{target}", options)
