"""The command line: lengths, rates, pipes, pictures, and one sentence for everything that fails."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import q2d2_stream.engine
from q2d2_stream.cli.bench import STAGES
from q2d2_stream.cli.main import main
from q2d2_stream.config import CodecConfig
from q2d2_stream.container import Reader
from q2d2_stream.engine import Codec
from q2d2_stream.engine.codec import MODELS, TABLES_FILE
from q2d2_stream.engine.runner import Array, State
from q2d2_stream.errors import FormatError, InputError, ModelError
from q2d2_stream.files.codec import FileDecoder, FileEncoder, SoundEncoder
from q2d2_stream.files.reader import open_sound
from q2d2_stream.files.sound_writer import sound_output
from tests.labs.entropy import coder

CONFIG = CodecConfig()


class Level(q2d2_stream.engine.ModelRunner):
    """The smallest network that streams: a frame's mean goes through the first latent.

    As the real decoder does, it gives every frame one frame later. Sound that is constant within
    its frames, at the nine levels of the first dimension, survives exactly.
    """

    def __init__(self, role: str, model_id: str = "level") -> None:
        self._role = role
        info = {
            "parameters_encoder": 1_000_000,
            "parameters_decoder": 2_000_000,
            "macs_per_frame_encoder": 1_000_000,
            "macs_per_frame_decoder": 3_000_000,
            "training": "none",
        }
        self._metadata = {
            "q2d2.format": "1",
            "q2d2.role": role,
            "q2d2.codec": CONFIG.to_json(),
            "q2d2.gain_db": "[0, 0, 0, 0]",
            "q2d2.model_id": model_id,
            "q2d2.model_hash": model_id.encode().ljust(8, b"-").hex(),
            "q2d2.info": json.dumps(info),
        }

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._metadata

    def initial_state(self) -> State:
        return (np.zeros((1, CONFIG.hop), np.float32),)

    def step(self, inputs: tuple[Array, ...], state: State) -> tuple[Array, State]:
        if self._role != "decoder":
            latent = np.zeros((1, 2 * CONFIG.pairs), np.float32)
            latent[0, 0] = 4 * inputs[0].mean()
            return latent, state
        level = np.full((1, CONFIG.hop), inputs[0].reshape(-1)[0], np.float32)
        return state[0], (level,)


def level_codec(model_id: str = "level") -> Codec:
    return Codec(lambda role: Level(role, model_id))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands in this process use the smallest codec."""
    monkeypatch.setattr(q2d2_stream.engine, "load_codec", lambda *_, **__: level_codec())


def steps(samples: int, seed: int = 0) -> np.ndarray:
    levels = np.random.default_rng(seed).integers(-4, 5, -(-samples // CONFIG.hop)) / 4
    levels[:1] = 0  # the encoder takes the first frame's mean for an offset
    return np.repeat(levels, CONFIG.hop)[:samples].astype(np.float32)


def encoded(pcm: np.ndarray, rate: int = 2, piece: int = 1000) -> bytes:
    encoder = FileEncoder(level_codec(), SoundEncoder(level_codec(), CONFIG.ladder[rate]))
    body = [encoder.push(pcm[at : at + piece]) for at in range(0, len(pcm), piece)]
    body.append(encoder.finish())
    return encoder.header() + b"".join(body)


def decoded(data: bytes, piece: int = 100) -> tuple[np.ndarray, FileDecoder]:
    decoder = FileDecoder(level_codec())
    pcm = [np.zeros(0, np.float32)]
    for at in range(0, len(data), piece):
        pcm += decoder.push(data[at : at + piece])
    pcm += decoder.finish()
    return np.concatenate(pcm), decoder


@pytest.mark.parametrize("frames", [0, 1, 2, 75, 151])
@pytest.mark.parametrize("rate", [0, 1, 2])
def test_the_sound_comes_back_in_step(frames: int, rate: int) -> None:
    pcm = steps(frames * CONFIG.hop)
    back, decoder = decoded(encoded(pcm, rate))
    np.testing.assert_array_equal(back, pcm)
    assert not decoder.warnings


@pytest.mark.parametrize("samples", [1, 319, 320, 321, 24_123])
def test_the_sound_comes_back_as_long_as_it_was(samples: int) -> None:
    assert len(decoded(encoded(steps(samples)))[0]) == samples


def test_a_damaged_file_decodes_up_to_and_after_the_damage() -> None:
    pcm = steps(300 * CONFIG.hop)
    data = bytearray(encoded(pcm))
    data[600] ^= 1  # in the second block, frames 75 to 149
    back, decoder = decoded(bytes(data))
    assert len(back) == len(pcm)
    wrong = np.flatnonzero(back != pcm) // CONFIG.hop
    assert wrong.min() >= 75
    assert wrong.max() < 150
    (warning,) = decoder.warnings
    assert warning.startswith("at 1.00 s 75 frames are lost and concealed and ")


def test_a_file_cut_short_decodes_to_its_last_whole_block() -> None:
    pcm = steps(300 * CONFIG.hop)
    data = encoded(pcm)
    back, decoder = decoded(data[: len(data) // 2])
    assert 74 * CONFIG.hop <= len(back) < len(pcm)
    np.testing.assert_array_equal(back, pcm[: len(back)])
    assert "cut short" in decoder.warnings[-1]


FILE = encoded(steps(200 * CONFIG.hop))


@given(
    st.lists(st.tuples(st.integers(0, len(FILE) - 1), st.integers(0, 255)), max_size=5),
    st.integers(0, len(FILE)),
)
def test_whatever_the_bytes_there_is_sound_or_one_sentence(
    changes: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(FILE)
    for at, value in changes:
        data[at] = value
    try:
        pcm, _ = decoded(bytes(data[:length]))
    except (FormatError, ModelError):
        return
    assert len(pcm) <= 200 * CONFIG.hop
    assert np.isfinite(pcm).all()


def test_frames_of_another_codec_are_concealed() -> None:
    data = bytearray(encoded(steps(10 * CONFIG.hop)))
    start = data.index(b"\xd2\xb2")
    end = data.index(b"\xd2\xb2", start + 2)
    data[start + 2] = 9  # a rate that does not exist, with the right checksum
    data[end - 4 : end] = zlib.crc32(data[start : end - 4]).to_bytes(4, "little")
    back, decoder = decoded(bytes(data))
    assert len(back) == 10 * CONFIG.hop
    assert "rate is 9" in decoder.warnings[0]


def test_another_model_is_refused() -> None:
    decoder = FileDecoder(level_codec("other"))
    with pytest.raises(ModelError, match=r"made by model level .* the model here is other"):
        list(decoder.push(encoded(steps(1000))))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [("a.wav", 24_000, 1), ("a.flac", 48_000, 2), ("a.ogg", 16_000, 1), ("a.wav", 8_000, 3)],
)
def test_files_of_any_rate_and_channels(
    tmp_path: Path, name: str, rate: int, channels: int
) -> None:
    source, coded, back = tmp_path / name, tmp_path / "a.q2d2", tmp_path / "back.flac"
    soundfile.write(source, np.repeat(steps(rate)[:, None], channels, axis=1), rate)
    assert main(["encode", str(source), str(coded), "--rate", "1.5"]) == 0
    assert main(["decode", str(coded), str(back)]) == 0
    with soundfile.SoundFile(back) as file:
        assert (file.samplerate, file.channels) == (24_000, 1)
        assert abs(file.frames - 24_000) <= 2
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, "a.q2d2", "back.flac"])


@pytest.mark.usefixtures("small")
def test_a_file_tells_its_length_in_its_header(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", steps(5000), 24_000)
    assert main(["encode", str(tmp_path / "a.wav"), str(tmp_path / "a.q2d2")]) == 0
    (header, *_) = Reader().feed((tmp_path / "a.q2d2").read_bytes())
    assert header.samples == 5000  # type: ignore[union-attr]


def test_entropy_coding_changes_the_size_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.tables").write_bytes(replace(coder().tables, model_hash=b"level---").to_bytes())
    codec = Codec(Level, tables=tmp_path / "t.tables")
    assert codec.coder is not None
    monkeypatch.setattr(q2d2_stream.engine, "load_codec", lambda *_, **__: codec)
    wav, small, fixed = (str(tmp_path / name) for name in ("a.wav", "s.q2d2", "f.q2d2"))
    soundfile.write(wav, 0.0 * steps(48_000), 24_000)
    assert main(["encode", "-q", wav, small, "--rate", "6"]) == 0
    assert main(["encode", "-q", wav, fixed, "--rate", "6", "--no-entropy-coding"]) == 0
    assert 2 * Path(small).stat().st_size < Path(fixed).stat().st_size
    sounds = []
    for path in (small, fixed):
        assert main(["decode", "-q", path, str(tmp_path / "b.wav")]) == 0
        sounds.append((tmp_path / "b.wav").read_bytes())
    assert sounds[0] == sounds[1]
    capsys.readouterr()
    assert main(["info", small]) == 0
    assert f"nominally 5.83; 3 of 3 blocks entropy coded, tables {codec.coder.checksum:08x}" in (
        capsys.readouterr().out
    )
    assert main(["info", fixed]) == 0
    assert " kbps, fixed size\n" in capsys.readouterr().out
    codec = level_codec()
    assert main(["decode", "-q", small, str(tmp_path / "b.wav")]) == 1
    assert "there are none here" in capsys.readouterr().err


@pytest.mark.usefixtures("small")
def test_info_describes_file_and_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "a.wav", steps(24_000), 24_000)
    main(["encode", "-q", str(tmp_path / "a.wav"), str(tmp_path / "a.q2d2"), "--rate", "6"])
    assert main(["info", str(tmp_path / "a.q2d2")]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for part in ("level (6c6576656c2d2d2d)", "1.00 s, 24000 samples", "76 at 6 kbps", "none"):
        assert part in captured.out
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for part in ("26.7 ms", "1.50", "2.94", "5.83", "3.00 M", "300.00 M/s", "145 or 85 points"):
        assert part in out


@pytest.mark.usefixtures("small")
def test_bench_measures_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--seconds", "1"]) == 0
    out = capsys.readouterr().out
    stages = tuple(stage for stage in STAGES if stage != "refinement")
    for part in (
        *stages,
        "to send",
        "to receive",
        "real-time factor",
        "load time",
        "peak memory",
        "parameters",
    ):
        assert part in out
    assert main(["bench", "--seconds", "1", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert tuple(figures["stages"]) == stages
    assert all(f["median_us"] <= f["p99_us"] for f in figures["stages"].values())


@pytest.mark.skipif(not (MODELS / TABLES_FILE).exists(), reason="no entropy tables here")
def test_bench_measures_the_refined_rate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--seconds", "1", "--rate", "6", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    stages = figures["stages"]
    assert tuple(stages) == STAGES
    # the sender's own decoder is in it, and all of it is in what sending takes
    least = stages["decoder"]["median_us"] / 2
    assert stages["refinement"]["median_us"] > least
    assert figures["encode"]["p99_us"] > stages["encoder"]["median_us"] + least
    assert figures["frame"]["median_us"] > figures["decode"]["median_us"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "options",
    [(), ("--lattice", "hexagonal", "--levels", "9", "8"), ("--wav", "SOUND", "--pair", "0")],
)
def test_grid_draws_a_picture(tmp_path: Path, options: tuple[str, ...]) -> None:
    pytest.importorskip("matplotlib")
    soundfile.write(tmp_path / "a.wav", steps(24_000), 24_000)
    options = tuple(str(tmp_path / "a.wav") if o == "SOUND" else o for o in options)
    assert main(["grid", str(tmp_path / "grid.png"), *options]) == 0
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")


def test_grid_without_matplotlib_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["grid", "grid.png"]) == 1
    assert "needs the package matplotlib" in capsys.readouterr().err


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["encode", "missing.wav", "x.q2d2"], "missing.wav: No such file or directory"),
        (["encode", "text.wav", "x.q2d2"], "text.wav cannot be read as sound"),
        (["encode", "good.wav", "no/such/folder"], "No such file or directory"),
        (["decode", "missing.q2d2", "x.wav"], "missing.q2d2: No such file or directory"),
        (["decode", "text.wav", "x.wav"], "this is not a .q2d2 file"),
        (["decode", "empty", "x.wav"], "ends within its header, after 0 bytes"),
        (["decode", "good.wav", "x.mp4"], "x.mp4 has no known ending"),
        (["info", "text.wav"], "this is not a .q2d2 file"),
        (["grid", "x.png", "--lattice", "rhombic", "--levels", "8", "8"], "8 levels make no"),
        (["grid", "x.png", "--pair", "3"], "pair is 3, expected 0 to 0"),
        (["grid", "x.png", "--wav", "good.wav", "--levels", "3", "3"], "drop --lattice"),
    ],
)
def test_errors_are_one_sentence_and_status_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.wav").write_text("this is no sound")
    Path("empty").touch()
    soundfile.write("good.wav", steps(1000), 24_000)
    before = set(tmp_path.iterdir())
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.startswith(f"q2d2 {arguments[0]}: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert set(tmp_path.iterdir()) == before  # no half-written file stays behind


@pytest.mark.parametrize("kind", ["wav", "ogg", "flac"])
def test_a_pipe_is_read_to_its_end(kind: str) -> None:
    data = io.BytesIO()
    soundfile.write(data, steps(20_000), 24_000, format=kind.upper())
    reading, writing = os.pipe()

    def feed() -> None:
        with os.fdopen(writing, "wb") as out:
            out.write(data.getvalue())

    threading.Thread(target=feed).start()
    with os.fdopen(reading, "rb") as pipe, open_sound(pipe, 24_000) as sound:
        assert sum(map(len, sound)) == 20_000


def test_a_wav_of_unknown_length_is_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "piped.wav"
    with path.open("wb") as stream:
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, write_through=True))
        with sound_output("-", 24_000) as out:
            out.write(steps(1000))
    with open_sound(str(path), 24_000) as sound:
        np.testing.assert_allclose(np.concatenate(list(sound)), steps(1000), atol=1e-4)


def test_samples_beyond_full_scale_are_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", 3 * steps(1000), 24_000, subtype="FLOAT")
    with open_sound(str(tmp_path / "loud.wav"), 24_000) as sound:
        assert np.abs(np.concatenate(list(sound))).max() == 1.0


def test_binary_output_to_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(InputError, match="standard output is a terminal"), sound_output("-", 8000):
        pass


def test_asking_for_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from q2d2_stream.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'onnxruntime', 'torch', 'soundfile', 'soxr', 'rich', 'matplotlib'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "encode" in done.stdout


@pytest.mark.skipif(not (MODELS / "encoder.onnx").exists(), reason="no weights are shipped yet")
def test_the_shipped_model_through_pipes(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 0.2 * steps(48_000), 48_000)
    q2d2 = [sys.executable, "-m", "q2d2_stream"]
    wav = (tmp_path / "a.wav").read_bytes()
    coded = subprocess.run([*q2d2, "encode", "-", "-"], input=wav, capture_output=True, check=True)
    back = subprocess.run(
        [*q2d2, "decode", "-", "-"], input=coded.stdout, capture_output=True, check=True
    )
    pcm, rate = soundfile.read(io.BytesIO(back.stdout), dtype="float32")
    assert rate == 24_000
    assert abs(len(pcm) - 24_000) <= 2
    assert b"Traceback" not in coded.stderr + back.stderr
