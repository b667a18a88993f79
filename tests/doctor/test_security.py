"""Secrets that others can read, certificates that are out of date."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from q2d2_stream.doctor import Verdict
from q2d2_stream.doctor.security import check_authority, check_certificate, check_secret

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def _certificate(folder: Path, days: int) -> tuple[str, str]:
    cert, key = str(folder / f"cert{days}.pem"), str(folder / f"key{days}.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-subj", "/CN=q2d2", "-days", str(days), "-keyout", key, "-out", cert]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize(
    ("text", "mode", "verdict"),
    [
        ("correct horse battery\n", 0o600, Verdict.GREEN),
        ("correct horse battery\n", 0o644, Verdict.RED),
        ("correct horse battery\n", 0o620, Verdict.RED),
        ("short\n", 0o600, Verdict.RED),
    ],
)
def test_secret_is_judged(text: str, mode: int, verdict: Verdict, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    path.chmod(mode)
    (finding,) = check_secret(str(path))
    assert finding.verdict is verdict
    assert text.strip() not in str(finding.to_dict())


def test_missing_secret_says_how_to_make_one(tmp_path: Path) -> None:
    (finding,) = check_secret(str(tmp_path / "secret"))
    assert finding.verdict is Verdict.RED
    assert "openssl rand" in finding.advice


@needs_openssl
@pytest.mark.parametrize(("days", "verdict"), [(365, Verdict.GREEN), (5, Verdict.YELLOW)])
def test_certificate_is_judged(days: int, verdict: Verdict, tmp_path: Path) -> None:
    cert, key = _certificate(tmp_path, days)
    (finding,) = check_certificate(cert, key)
    assert finding.verdict is verdict
    assert finding.facts["days_left"] == pytest.approx(days, abs=0.1)
    assert check_authority(cert)[0].verdict is verdict


@needs_openssl
def test_a_key_of_another_certificate_is_red(tmp_path: Path) -> None:
    cert, _ = _certificate(tmp_path, 30)
    _, key = _certificate(tmp_path, 31)
    (finding,) = check_certificate(cert, key)
    assert finding.verdict is Verdict.RED


def test_files_that_are_no_certificates_are_red(tmp_path: Path) -> None:
    path = tmp_path / "cert.pem"
    path.write_text("nothing")
    assert check_certificate(str(path))[0].verdict is Verdict.RED
    assert check_authority(str(path))[0].verdict is Verdict.RED
