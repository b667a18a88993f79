"""The service's configuration: what it turns into, and what it says about mistakes."""

from __future__ import annotations

from dataclasses import fields
from math import inf, nan
from pathlib import Path

import pytest

from q2d2_stream.cli.call_options import settings_of
from q2d2_stream.cli.main import main, parse
from q2d2_stream.errors import InputError
from q2d2_stream.service import ServiceConfig, load_config
from q2d2_stream.settings import CallSettings
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
    assert (config.listen, config.peer, config.rate) == ("0.0.0.0:9000", None, 1.5)
    assert (config.secret_file, config.input) == (str(secret), "-odd name")
    assert (config.frames_per_message, config.fixed_delay) == (4, 120.0)
    assert (config.aec, config.ns, config.push_to_talk) == (True, False, 17)
    again = settings_of(parse(["call", *config.to_arguments()]))
    assert again == CallSettings.of(_of_the_call(config) | {"keep_listening": True, "mute": True})


def _of_the_call(config: ServiceConfig) -> dict[str, object]:
    return {field.name: getattr(config, field.name) for field in fields(CallSettings)}


VALUES: dict[str, tuple[list[object], list[object]]] = {
    "wait": ([0, 2.5, inf], [-1, nan, "x"]),
    "rate": ([2, 1.5, "3", 2.94], []),
    "frames_per_message": ([1, 16], [0, 17, "x"]),
    "fixed_delay": ([0, 120, 2000], [nan, inf, -5, 2001, "long"]),
    "engine": (["onnx", "auto"], ["cuda", ""]),
    "precision": (["int8"], ["fp16"]),
    "metrics": ([0, 9100], [-1, 65536, 2.5]),
    "input": (["x.wav"], [""]),
    "simulate": (["loss=0.1"], [""]),
    "aec": ([True], []),
    "hangup_at_end": ([True, False], []),
}


@pytest.mark.parametrize("name", VALUES)
def test_what_the_file_takes_the_command_line_takes(name: str, tmp_path: Path) -> None:
    good, bad = VALUES[name]
    for value in good:
        config = _load(tmp_path, f'peer = "a:1"\n{name} = {_toml(value)}')
        line = settings_of(parse(["call", *config.to_arguments()]))
        one, other = getattr(config, name), getattr(line, name)
        assert str(one).removesuffix(".0") == str(other).removesuffix(".0")
    for value in bad:
        with pytest.raises(InputError, match=f"{name} is .*expected"):
            _load(tmp_path, f'peer = "a:1"\n{name} = {_toml(value)}')
        with pytest.raises((InputError, SystemExit)):  # argparse itself refuses some
            settings_of(parse(["call", f"--{name.replace('_', '-')}={value}", "a:1"]))


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("rate = 4", "the bit rate is 4.0, expected one of 1.5, 2, 3, 6"),
        ('rate = "two"', "the bit rate is 'two', expected one of"),
        ('simulate = "los=1"', "los"),
        ('tls_cert = "c.pem"', "--tls-cert and --tls-key are for --listen"),
        ('secret = "short"', "the secret has 5 bytes"),
    ],
)
def test_check_finds_what_only_the_call_would(
    line: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "q2d2.toml"
    path.write_text(f'peer = "127.0.0.1:1"\n{line}\n')
    path.chmod(0o600)
    assert main(["serve", "--check", "--config", str(path)]) == 1
    assert sentence in capsys.readouterr().err
    name, _, value = line.partition(" = ")
    arguments = ["call", "127.0.0.1:1", f"--{name.replace('_', '-')}={value.strip(chr(34))}"]
    assert main([*arguments, "--input=silence", "--output=null"]) == 1
    assert sentence in capsys.readouterr().err


def test_a_secret_in_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="chmod 600"):
        _load(tmp_path, 'peer = "a:1"\nsecret = "correct horse battery"')


LINK = "https://relay.example/#k=EBESExQVFhcYGRobHB0eHw"


def test_a_service_sits_in_a_room(tmp_path: Path) -> None:
    (tmp_path / "q2d2.toml").touch(0o600)
    assert _load(tmp_path, f'room = "{LINK}"').peer == LINK
    link = tmp_path / "link"
    link.write_text(f"{LINK}\n")
    link.chmod(0o600)
    config = _load(tmp_path, f'room_file = "{link}"\nname = "Door"')
    assert (config.peer, config.name) == (LINK, "Door")
    # the link is the key: --check does not print it
    assert config.to_arguments() == ["--peer=https://relay.example/#k=...", "--name=Door"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'room = "{LINK}"\npeer = "a"', "room and peer are given, expected one of them"),
        ('room = "https://relay.example"', "22 characters"),
        ('peer = "7-guitar-orbit@relay.example"', "holds for ten minutes"),
        (f'room = "{LINK}"', "chmod 600"),
        (f'peer = "{LINK}"', "chmod 600"),
    ],
)
def test_a_room_that_cannot_be_is_a_sentence(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "q2d2.toml").touch(0o644 if "chmod" in expected else 0o600)
    with pytest.raises(InputError, match=expected):
        _load(tmp_path, text)


def test_a_link_that_others_can_read_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.write_text(LINK)
    link.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        _load(tmp_path, f'room_file = "{link}"')


def test_a_caller_does_not_listen_on(tmp_path: Path) -> None:
    assert _load(tmp_path, 'peer = "far:9000"').to_arguments() == ["--peer=far:9000"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("peer = ", "not a TOML file"),
        ("", "either listen or peer"),
        ('peer = "a"\nlisten = "b"', "listen and peer are both given"),
        ('peer = "a"\nvolume = 3', "no key 'volume'"),
        ("peer = 9000", "a text"),
        ('peer = ""', "empty"),
        ('peer = "a"\nrate = true', "a text that is not empty or a number"),
        ('peer = "a"\naec = "yes"', "true or false"),
        ('peer = "a"\ndenoise = true', "no key 'denoise'"),  # there was one once
        ('peer = "a"\nframes_per_message = 17', "expected a whole number from 1 to 16"),
        ('peer = "a"\nframes_per_message = true', "a whole number"),
        ('peer = "a"\nfixed_delay = "long"', "a number"),
        ('peer = "a"\npush_to_talk = 40', "from 0 to 27"),
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
    assert captured.out == "q2d2 call --peer=far:9000\n"
    assert captured.err == f"q2d2 serve: {path}: No such file or directory\n"


@pytest.mark.parametrize(
    ("line", "secret", "shown"),
    [
        ('peer = "far:9000"\nsecret = "correct horse battery"', "horse", "--secret=..."),
        (f'room = "{LINK}"', LINK, "https://relay.example/#k=..."),
    ],
    ids=["secret", "room"],
)
def test_the_shown_options_hold_no_secret(
    line: str, secret: str, shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "q2d2.toml"
    path.write_text(line)
    path.chmod(0o600)
    assert main(["serve", "--config", str(path), "--check"]) == 0
    out = capsys.readouterr().out
    assert secret not in out
    assert shown in out


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
    assert keys < set(ServiceConfig.__dataclass_fields__)
    others = ("peer", "room_file", "secret_file")
    commented = "\n".join(line for line in lines if not line.startswith(others))
    assert _load(tmp_path, commented).engine in ("onnx", "tflite", "auto")
