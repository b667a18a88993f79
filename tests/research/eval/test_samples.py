"""The page of sound examples: whose voices, which files, and that every link leads somewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from q2d2_stream.errors import InputError, MissingExtra
from research.eval import samples
from research.eval.__main__ import main
from research.eval.clips import SAMPLE_RATE, Clip
from research.eval.codecs import CallableCodec, Original
from research.eval.credits import CREDITS
from research.eval.noise import NoiseMix
from research.eval.samples import choose_clips, fair_trace, make_samples
from research.eval.spectrogram import save_spectrograms
from research.eval.suppressors import SUPPRESSORS
from tests.research.eval.test_signal_metrics import noisy, voice


def _clip(name: str, seconds: float) -> Clip:
    return Clip(name, re.sub(r"_\d+$", "", name), voice(seconds))


def test_only_voices_with_a_credit_and_of_each_one_short_clip() -> None:
    lengths = {"alphanumeric_en_1": 5.0, "alphanumeric_en_2": 1.0, "alphanumeric_en_3": 3.5}
    clips = [_clip(name, seconds) for name, seconds in lengths.items()]
    clips += [_clip("nuwave_vctk_0", 1.0), _clip("nuwave_vctk_1", 2.0), _clip("stranger_0", 4.0)]
    assert [clip.name for clip in choose_clips(clips)] == ["alphanumeric_en_3", "nuwave_vctk_1"]
    with pytest.raises(InputError, match="free to publish"):
        choose_clips([_clip("stranger_0", 4.0)])


def test_every_credit_permits_publishing() -> None:
    assert {credit.licence for credit in CREDITS.values()} <= {"MIT", "CC BY 4.0", "CC0"}
    assert all(credit.url.startswith("https://") for credit in CREDITS.values())


def test_a_fair_trace_loses_what_it_says() -> None:
    for name in ("a", "b", "c"):
        trace = fair_trace(4 * SAMPLE_RATE, name)
        assert 0.04 <= trace.mean() <= 0.06
    np.testing.assert_array_equal(trace, fair_trace(4 * SAMPLE_RATE, name))


def test_the_page_names_model_and_credits_and_its_links_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="spectrograms need matplotlib")

    class NotHere(CallableCodec):
        def key(self) -> str:
            raise MissingExtra("libcodec2", "eval", "Measuring Codec2")

    monkeypatch.setattr(samples, "OpusCodec", lambda kbps: CallableCodec("hiss", _hiss, kbps))
    monkeypatch.setattr(samples, "Codec2", lambda bps: NotHere("codec2", _hiss, bps / 1000))
    monkeypatch.setattr(samples, "StreamCodec", lambda *_: Original("ours", "ours"))
    kind = replace(SUPPRESSORS["deepfilter"], package="numpy", make=_Halved)
    monkeypatch.setitem(SUPPRESSORS, "deepfilter", kind)
    clip = _clip("alphanumeric_en_1", 0.5)
    street = noisy(np.zeros(SAMPLE_RATE, np.float32), 0.1)
    (tmp_path / "noise").mkdir()
    soundfile.write(tmp_path / "noise" / "esc10-00.wav", street, SAMPLE_RATE)
    noise = NoiseMix(tmp_path / "noise", 5.0)
    page = make_samples([clip], tmp_path / "made", engine="onnx", noise=noise)
    text = page.read_text()
    assert re.search(r"model \| `\S+`, hash `[0-9a-f]{16}`, onnx fp32 \|", text)
    assert "Sakshee5" in text
    assert "MIT" in text
    assert "CC BY 3.0" in text
    assert "Original, in noise at 5 dB SNR" in text
    heard, _ = soundfile.read(page.parent / f"{clip.name}.original_noise.ogg")
    assert np.corrcoef(heard, noise.mix(clip.pcm, clip.name)[1])[0, 1] > 0.9  # the clean clip: 0.87
    assert "ours behind the suppressor, in noise at 5 dB SNR" in text
    behind, _ = soundfile.read(page.parent / f"{clip.name}.ours_behind_deepfilter_noise.ogg")
    assert np.std(behind) == pytest.approx(np.std(heard) / 2, rel=0.02)
    assert "Left out: codec2. Measuring Codec2 needs the package libcodec2" in text
    links = set(re.findall(r"\]\(([^)/]+)\)", text))
    assert links == {path.name for path in page.parent.iterdir()} - {"index.md"}
    sounds = {link for link in links if link.endswith(".ogg")}
    assert f"{clip.name}.hiss_loss.ogg" in sounds
    kept = {name: (page.parent / name).read_bytes() for name in sounds}
    spoilt = f"{clip.name}.hiss.ogg"
    right, _ = soundfile.read(page.parent / spoilt)
    (page.parent / spoilt).write_bytes(kept[f"{clip.name}.original.ogg"])
    make_samples([clip], page.parent, engine="onnx", noise=noise)
    np.testing.assert_array_equal(soundfile.read(page.parent / spoilt)[0], right)
    assert all((page.parent / name).read_bytes() == kept[name] for name in sounds - {spoilt})
    for name in sounds:
        pcm, rate = soundfile.read(page.parent / name)
        assert rate == SAMPLE_RATE
        assert len(pcm) == len(clip.pcm)
        assert (page.parent / name).stat().st_size < 6_000  # 0.5 s at 48 kbps, and headers


def test_noise_without_a_credit_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "street-00.wav", voice(1.0), SAMPLE_RATE)
    with pytest.raises(InputError, match="noise that is not known to be free to publish"):
        make_samples([_clip("nuwave_vctk_0", 1.0)], tmp_path / "made", noise=NoiseMix(tmp_path, 5))


def test_the_command_refuses_clips_without_a_credit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "stranger_00.wav", voice(0.5), SAMPLE_RATE)
    assert main(["--data", str(tmp_path), "--samples", str(tmp_path / "out")]) == 1
    assert "free to publish" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_row_to_each_sound(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="spectrograms need matplotlib")
    from PIL import Image

    pcm = voice(0.5)
    heights = []
    for count in (1, 3):
        sounds = {str(place): pcm for place in range(count)}
        save_spectrograms(sounds, tmp_path / "s.png", row_inches=(4.0, 1.0))
        with Image.open(tmp_path / "s.png") as picture:
            heights.append(picture.height)
            assert picture.width == 320
    assert heights == [80, 240]
    with pytest.raises(InputError, match="no sounds"):
        save_spectrograms({}, tmp_path / "s.png")


class _Halved:
    """For a suppressor: turns everything down to half, at once."""

    delay_samples = 0

    def process(self, block: np.ndarray, /) -> np.ndarray:
        return block / 2


def _hiss(pcm: np.ndarray) -> np.ndarray:
    return noisy(pcm, 0.1)
