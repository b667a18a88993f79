"""Old names of options: what they become, and that people are told."""

from __future__ import annotations

import pytest

from q2d2_stream.cli.main import parse
from q2d2_stream.cli.renamed import renamed


@pytest.mark.parametrize(
    ("typed", "today"),
    [
        (["encode", "a", "b", "--fixed"], ["encode", "a", "b", "--no-entropy-coding"]),
        (["encode", "a", "b", "--search", "-q"], ["encode", "a", "b", "--effort", "max", "-q"]),
        (["call", "--listen", "host:1", "--open"], ["call", "--listen", "host:1", "--no-auth"]),
    ],
)
def test_old_options_mean_what_they_meant(
    typed: list[str], today: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert vars(parse(typed)) == vars(parse(today))
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert "works for one more release" in warning


def test_options_of_today_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["call", "--fixed-delay", "80", "--", "--open"]
    assert renamed(words, {"--fixed": "--no-entropy-coding", "--open": "--no-auth"}) == words
    assert renamed(["--rate=3"], {"--bitrate": "--rate"}) == ["--rate=3"]
    assert capsys.readouterr().err == ""


def test_a_value_goes_along(capsys: pytest.CaptureFixture[str]) -> None:
    assert renamed(["--bitrate=3"], {"--bitrate": "--rate"}) == ["--rate=3"]
    assert renamed(["--bitrate", "3"], {"--bitrate": "--rate"}) == ["--rate", "3"]
    assert capsys.readouterr().err.count("--bitrate is --rate now") == 2
