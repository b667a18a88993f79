"""Shared fixtures: bundled speech, and what every test is run with."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile
from _pytest.mark.expression import Expression
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from tests.labs.jack import missing
from tests.labs.paths import SPEECH
from tests.labs.skips import SkipPolicy

# A busy machine is slow: no example fails for the time it takes. CI repeats the same examples;
# HYPOTHESIS_PROFILE=quick tries a few (make check), =thorough looks for new ones for an hour.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", _PATIENT)
settings.register_profile("ci", _PATIENT, derandomize=True, print_blob=True)
settings.register_profile("quick", _PATIENT, max_examples=20)
settings.register_profile("thorough", _PATIENT, max_examples=5_000)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default")
)


_ALL_OF_TORCH = re.compile(r"^pytestmark = .*pytest\.mark\.train\b", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Reasons of skips that are fine in CI."""
    parser.addini("expected_skips", "parts of the reasons for which CI may skip", "linelist")


def pytest_configure(config: pytest.Config) -> None:
    """Hold skips against the list."""
    config.pluginmanager.register(SkipPolicy(config.getini("expected_skips")), "skip-policy")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked ``sound`` where there can be no virtual sound card."""
    if item.get_closest_marker("sound") and (why := missing()):
        pytest.skip(f"no virtual sound card: {why}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where no test of torch is wanted, files of nothing else are not imported: that alone takes
    seconds."""
    if not config.option.markexpr or collection_path.suffix != ".py":
        return None
    wanted = Expression.compile(config.option.markexpr)

    def is_wanted(marks: tuple[str, ...]) -> bool:
        def has(mark: str, /, **_: object) -> bool:
            return mark == "train" or mark in marks

        return wanted.evaluate(has)

    if any(is_wanted(m) for n in range(4) for m in combinations(("slow", "sound", "net"), n)):
        return None
    return True if _ALL_OF_TORCH.search(collection_path.read_text(encoding="utf-8")) else None


@pytest.fixture(autouse=True)
def _denormals_survive() -> Iterator[None]:
    """No test leaves the processor flushing denormals to zero: later ones would compute wrongly."""
    yield
    assert float.fromhex("0x1p-1022") / 2 > 0.0, "this test left denormals flushed to zero"


@pytest.fixture(autouse=True)
def _warnings_are_logged() -> Iterator[None]:
    """No test leaves logging switched off: later ones would see no warning."""
    yield
    assert not logging.root.manager.disable, "this test left logging switched off"


@pytest.fixture(scope="session")
def speech() -> NDArray[np.float32]:
    """Real speech, 24 kHz mono, whole frames."""
    pcm, rate = soundfile.read(SPEECH / "kathleen_en_0.flac", dtype="float32")
    assert rate == 24_000
    return np.asarray(pcm[: len(pcm) // 320 * 320])
