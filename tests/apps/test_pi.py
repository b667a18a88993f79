"""The service's unit, as systemd itself reads it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.labs.paths import ROOT

UNIT = ROOT / "apps" / "pi" / "q2d2-call.service"
ANALYZE = shutil.which("systemd-analyze")

pytestmark = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze here")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    command = [ANALYZE, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if re.search("unknown command|unrecognized option|unknown option", result.stderr, re.I):
        pytest.skip("this systemd-analyze is too old")
    return result


def installed(text: str, folder: Path) -> str:
    """A copy whose program exists: verify wants to see it."""
    copy = folder / UNIT.name
    copy.write_text(re.sub("(?m)^ExecStart=[^ ]+", f"ExecStart={sys.executable}", text))
    return str(copy)


def test_the_unit_has_no_mistake(tmp_path: Path) -> None:
    result = analyze("verify", "--man=no", installed(UNIT.read_text(), tmp_path))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_mistake_would_be_found(tmp_path: Path) -> None:
    text = UNIT.read_text().replace("WatchdogSec=20", "WatchdogSec=soon")
    assert "soon" in analyze("verify", "--man=no", installed(text, tmp_path)).stderr


def test_its_exposure_is_what_the_manual_says() -> None:
    manual = (UNIT.parent.parent.parent / "docs" / "guides" / "raspberry_pi.md").read_text()
    quoted = re.search(r"exposure level for q2d2-call\.service: (\d\.\d)", manual)
    assert quoted is not None
    most = round(10 * float(quoted[1]))
    result = analyze("security", "--offline=yes", f"--threshold={most}", str(UNIT))
    assert result.returncode == 0, result.stdout
    stricter = analyze("security", "--offline=yes", f"--threshold={most - 1}", str(UNIT))
    assert stricter.returncode != 0
