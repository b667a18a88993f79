"""The service's configuration: what it turns into, and what it says about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

import q2d2_stream.engine
from q2d2_stream.cli.main import main, parse
from q2d2_stream.engine import load_codec
from q2d2_stream.errors import InputError
from q2d2_stream.service import ServiceConfig, load_config
from tests.labs.paths import ROOT

SHIPPED = ROOT / "apps" / "pi" / "q2d2.toml"


def _load(folder: Path, text: str) -> ServiceConfig:
    path = folder / "q2d2.toml"
    path.write_text(text)
    return load_config(path)


def test_options_are_those_of_the_call(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery")
    secret.chmod(0o600)
    config = _load(
        tmp_path,
        f"""
        listen = "0.0.0.0:9000"
        secret_file = "{secret}"
        input = "-odd name"
        rate = 1.5
        frames_per_message = 4
        fixed_delay = 120
        aec = true
        ns = false
        push_to_talk = 17
        """,
    )
    args = parse(["call", *config.to_arguments()])
    assert (args.listen, args.peer, args.keep_listening) == ("0.0.0.0:9000", None, True)
    assert (args.secret_file, args.input, args.rate) == (str(secret), "-odd name", "1.5")
    assert (args.frames_per_message, args.fixed_delay) == (4, 120.0)
    assert (args.aec, args.ns, args.mute) == (True, False, True)


def test_every_key_is_an_option_of_the_call(tmp_path: Path) -> None:
    sound = {"input": "a", "output": "b", "dtx": True, "aec": True, "ns": True, "agc": True}
    codec = {"rate": "6", "engine": "onnx", "precision": "fp32"}
    calling = {"peer": "wss://far:9000", "ca": "ca", **sound, **codec}
    listening = {"listen": "a:1", "tls_cert": "c", "tls_key": "k", "open": True, "denoise": True}
    for values in (calling, listening):
        config = ServiceConfig(**values)  # type: ignore[arg-type]
        args = parse(["call", *config.to_arguments()])
        assert {name: getattr(args, name) for name in values} == values


def test_a_caller_does_not_listen_on(tmp_path: Path) -> None:
    assert _load(tmp_path, 'peer = "far:9000"').to_arguments() == ["--peer=far:9000", "--rate=3"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("peer = ", "not a TOML file"),
        ("", "either listen or peer"),
        ('peer = "a"\nlisten = "b"', "either listen or peer"),
        ('peer = "a"\nvolume = 3', "no key 'volume'"),
        ("peer = 9000", "a text in quotes"),
        ('peer = ""', "empty"),
        ('peer = "a"\nrate = 4', "expected 1.5, 3, 6"),
        ('peer = "a"\nrate = true', "a text in quotes"),
        ('peer = "a"\naec = "yes"', "true or false"),
        ('peer = "a"\ndenoise = 1', "true or false"),
        ('peer = "a"\nns = true\ndenoise = true', "ns and denoise are both true"),
        ('peer = "a"\nframes_per_message = 9', "expected 1 to 8"),
        ('peer = "a"\nframes_per_message = true', "a whole number"),
        ('peer = "a"\nfixed_delay = "long"', "a number"),
        ('peer = "a"\npush_to_talk = 40', "0 to 27"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_file(
    text: str, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        _load(tmp_path, text)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery")
    secret.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        _load(tmp_path, f'peer = "a"\nsecret_file = "{secret}"')


def test_the_command_reports_mistakes_and_shows_the_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "q2d2.toml"
    assert main(["serve", "--config", str(path)]) == 1
    path.write_text('peer = "far:9000"')
    assert main(["serve", "--config", str(path), "--check"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "q2d2 call --peer=far:9000 --rate=3\n"
    assert captured.err == f"q2d2 serve: {path}: No such file or directory\n"


def test_denoise_without_a_denoiser_is_one_sentence(
    tmp_path: Path,
    without_denoiser: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    codec = load_codec(without_denoiser)
    monkeypatch.setattr(q2d2_stream.engine, "load_codec", lambda *_, **__: codec)
    path = tmp_path / "q2d2.toml"
    path.write_text('listen = "127.0.0.1:0"\ninput = "silence"\noutput = "null"\ndenoise = true')
    assert main(["serve", "--config", str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()  # it has not begun to listen
    assert line.startswith("q2d2 serve: --denoise needs models with a denoising encoder: ")


def test_the_shipped_file_is_valid_but_for_the_secret(tmp_path: Path) -> None:
    text = SHIPPED.read_text()
    assert 'secret_file = "/etc/q2d2/secret"' in text
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery")
    secret.chmod(0o600)
    config = _load(tmp_path, text.replace("/etc/q2d2/secret", str(secret)))
    assert config.listen == "0.0.0.0:9000"
    # What is commented out is valid, too.
    lines = [line.removeprefix("#") for line in text.splitlines() if "=" in line]
    keys = {line.partition("=")[0].strip() for line in lines}
    assert keys == set(ServiceConfig.__dataclass_fields__)
