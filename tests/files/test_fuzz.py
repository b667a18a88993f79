"""A small part of tools/fuzz_files.py: nothing crashes, nothing hangs, nothing is left behind."""

from __future__ import annotations

import pytest

from tests.labs.call import codec
from tools.fuzz_files import fuzz_files, fuzz_options, seeds

pytestmark = pytest.mark.slow


def test_mutated_files_end_well() -> None:
    ends, failures = fuzz_files(2 * len(seeds()), seed=28)
    assert failures == []
    assert ends["read"] > 20
    assert ends["warned"] > 10
    assert ends["refused: InputError"] > 20


def test_odd_command_lines_end_well() -> None:
    codec()
    ends, failures = fuzz_options(60, seed=28)
    assert failures == []
    assert ends["exit status 1"] > 5
    assert ends["exit status 2"] > 5
