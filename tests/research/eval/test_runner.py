"""The whole of research.eval on made-up speech: table, cache, what is missing, errors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from q2d2_stream.container import Writer
from q2d2_stream.engine import load_codec
from q2d2_stream.errors import InputError, MissingExtra
from research.eval.__main__ import main
from research.eval.cache import Cache
from research.eval.clips import Clip, load_clips, spread
from research.eval.codecs import CallableCodec, CodecUnderTest, Original, StreamCodec
from research.eval.metrics import METRICS, Score, Scorer, choose_metrics
from research.eval.noise import NoiseMix
from research.eval.options import parse_baseline
from research.eval.report import to_json, to_markdown
from research.eval.results import Evaluation
from research.eval.runner import evaluate
from tests.research.eval.test_signal_metrics import noisy, voice

CLIPS = [Clip("a_en_0", "a_en", voice(0.5)), Clip("b_es_1", "b_es", voice(0.6))]


@pytest.fixture
def distance(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces PESQ by a distance that needs no package; returns the clips it was asked for."""
    asked: list[str] = []

    def load() -> Scorer:
        def score(clip: Clip, deg: np.ndarray) -> Score:
            asked.append(clip.name)
            return Score(float(np.abs(clip.pcm - deg).mean()))

        return score

    monkeypatch.setitem(METRICS, "pesq", replace(METRICS["pesq"], load=load))
    monkeypatch.setattr("research.eval.scoring._scorer", lambda name: METRICS[name].load())
    return asked


def test_evaluate_and_report(distance: list[str]) -> None:
    codecs: list[CodecUnderTest] = [
        Original(),
        CallableCodec("hiss", lambda pcm: noisy(pcm, 0.1), kbps=2.0),
    ]
    evaluation = evaluate(codecs, CLIPS, choose_metrics(["pesq"]))
    clean, hiss = (row.score(METRICS["pesq"]) for row in evaluation.rows)
    assert clean is not None
    assert hiss is not None
    assert clean.value == 0 < hiss.value
    assert evaluation.rows[1].kbps == pytest.approx(2.0)
    assert evaluation.sources() == ["a_en", "b_es"]
    text = to_markdown(evaluation)
    assert "| hiss | 2.00 |  | 0.0 |" in text
    assert "PESQ-WB" in text
    assert "Lyra v2 6 kbps" in text
    assert json.dumps(to_json(evaluation)) == json.dumps(to_json(evaluation))


def test_cache_spares_the_second_run(distance: list[str], tmp_path: Path) -> None:
    first = evaluate([Original()], CLIPS, choose_metrics(["pesq"]), cache=Cache(tmp_path))
    assert distance == ["a_en_0", "b_es_1"]
    again = evaluate([Original()], CLIPS, choose_metrics(["pesq"]), cache=Cache(tmp_path))
    assert distance == ["a_en_0", "b_es_1"]
    assert to_json(again) == to_json(first)
    for damaged in tmp_path.rglob("*.json"):
        damaged.write_text("[]")
    evaluate([Original()], CLIPS, choose_metrics(["pesq"]), cache=Cache(tmp_path))
    assert len(distance) == 4


def test_noise_is_coded_and_clean_speech_compared_with(distance: list[str], tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.wav", noisy(np.zeros(24_000, np.float32), 0.1), 24_000)
    heard = []

    def gate(pcm: np.ndarray) -> np.ndarray:
        heard.append(pcm)
        return 0 * pcm

    noises = [NoiseMix(tmp_path, snr_db) for snr_db in (5.0, -20.0)]
    codecs: list[CodecUnderTest] = [Original(), CallableCodec("gate", gate, kbps=2.0)]
    pesq = choose_metrics(["pesq"])
    evaluation = evaluate(codecs, CLIPS, pesq, losses=(0.0, 0.1), noises=noises)
    assert [(row.title, row.loss, row.snr_db) for row in evaluation.rows] == [
        ("Original", 0.0, None),
        ("gate", 0.0, None),
        ("Original", 0.1, None),
        ("gate", 0.1, None),
        ("Noisy input", 0.0, 5.0),
        ("gate", 0.0, 5.0),
        ("Noisy input", 0.0, -20.0),
        ("gate", 0.0, -20.0),
    ]
    for place, noise in ((4, noises[0]), (6, noises[1])):
        mixes = [noise.mix(clip.pcm, clip.name) for clip in CLIPS]
        np.testing.assert_array_equal(
            np.concatenate(heard[place : place + 2]), np.concatenate([mixed for _, mixed in mixes])
        )
        away = [np.abs(mixed - clean).mean() for clean, mixed in mixes]
        score, gated = (r.score(pesq[0]) for r in evaluation.rows[place : place + 2])
        assert score is not None
        assert gated is not None
        assert score.value == pytest.approx(np.mean(away))
        assert gated.value == pytest.approx(np.mean([np.abs(clean).mean() for clean, _ in mixes]))
    text = to_markdown(evaluation)
    clean_table, rest = text.split("## With 10% of packets lost")
    lost_table, faint, loud = rest.split("## In noise, ")
    assert "Noisy input" not in clean_table + lost_table
    assert faint.startswith("-20 dB SNR\n")
    assert loud.startswith("5 dB SNR\n")
    noisy_input = evaluation.rows[4].score(pesq[0])
    assert noisy_input is not None
    assert f"| Noisy input |  |  |  |  | {noisy_input.value:.2f} ±" in loud
    rows: Any = to_json(evaluation)["codecs"]
    assert [row.get("snr_db", "no") for row in rows] == [
        *["no"] * 4, 5.0, 5.0, -20.0, -20.0
    ]  # fmt: skip


def test_noise_is_part_of_what_a_kept_score_hangs_on(distance: list[str], tmp_path: Path) -> None:
    import soundfile

    def asked(*snrs: float) -> int:
        before = len(distance)
        noises = [NoiseMix(tmp_path, snr_db) for snr_db in snrs]
        pesq, cache = choose_metrics(["pesq"]), Cache(tmp_path / "cache")
        evaluate([Original()], CLIPS, pesq, noises=noises, cache=cache)
        return len(distance) - before

    soundfile.write(tmp_path / "a.wav", noisy(np.zeros(24_000, np.float32), 0.1), 24_000)
    assert [asked(), asked(), asked(5), asked(5), asked(5, 6)] == [2, 0, 2, 0, 2]
    soundfile.write(tmp_path / "a.wav", noisy(voice(1.0), 0.1), 24_000)
    assert [asked(5), asked(5)] == [2, 0]


def test_no_two_metrics_share_kept_scores() -> None:
    assert len({metric.key() for metric in METRICS.values()}) == len(METRICS)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> Scorer:
        raise MissingExtra("nowhere", "eval", "This metric")

    monkeypatch.setitem(METRICS, "stoi", replace(METRICS["stoi"], load=load))
    monkeypatch.setattr("research.eval.scoring._scorer", lambda name: METRICS[name].load())
    evaluation = evaluate([Original()], CLIPS, choose_metrics(["stoi"]))
    assert evaluation.metrics == ()
    assert "nowhere" in evaluation.missing[0]
    assert "nowhere" in to_markdown(evaluation)


def test_load_clips(tmp_path: Path) -> None:
    import soundfile

    stereo = np.stack([voice(0.5), voice(0.5)], axis=1)
    for name in ("one_en_00", "one_en_01", "two_es_02"):
        soundfile.write(tmp_path / f"{name}.wav", stereo, 48_000)
    (tmp_path / "one_en_00.txt").write_text("hello")
    clips = load_clips(tmp_path)
    assert [clip.source for clip in clips] == ["one_en", "one_en", "two_es"]
    assert [clip.english for clip in clips] == [True, True, False]
    assert [clip.text for clip in clips] == ["hello", None, None]
    assert clips[0].pcm.shape == (6000,)
    assert [clip.name for clip in load_clips(tmp_path, 2)] == ["one_en_00", "two_es_02"]
    with pytest.raises(InputError, match="not a folder"):
        load_clips(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no speech"):
        load_clips(tmp_path / "empty")


def test_spread() -> None:
    assert spread(["a", "a", "a", "b", "c"], 3) == [0, 3, 4]
    assert spread(["a", "b"], None) == [0, 1]


@pytest.mark.parametrize("rate", ["1.5", "6"])
def test_coded_kbps_are_those_of_a_file(rate: str, speech: np.ndarray) -> None:
    codec = load_codec()
    lookahead = codec.config.find_rate(rate).lookahead
    clip = Clip("a_en_0", "a_en", speech[: 320 * 200 - lookahead])
    (row,) = evaluate([StreamCodec(rate)], [clip], []).rows
    writer = Writer(codec.config, "", codec.model_hash, coder=codec.coder)
    encoder = codec.encoder(rate)
    body = writer.push(encoder.push(np.pad(clip.pcm, (0, lookahead))))
    size = len(body + writer.finish(320 * 200 - codec.config.lookahead))
    payload = size - 3 * 14 - 22  # three blocks, a trailer
    assert row.coded_kbps == pytest.approx(8e-3 * payload / (200 * 320 / 24_000))
    assert 0.6 * row.kbps < row.coded_kbps < row.kbps
    latency_ms = 40.0 if encoder.rate.refined else 26.7
    assert f" {row.kbps:.2f} | {row.coded_kbps:.2f} | {latency_ms} |" in to_markdown(
        Evaluation((row,), (), ())
    )


def test_names_on_the_command_line() -> None:
    assert [parse_baseline(text).name for text in ("opus6", "codec2_1200")] == [
        "opus6",
        "codec2_1200",
    ]
    for parse, text in (
        (parse_baseline, "lyra3"),
        (parse_baseline, "codec2_450"),
    ):
        with pytest.raises(InputError):
            parse(text)
    with pytest.raises(InputError, match="mos"):
        choose_metrics(["mos"])


def test_command(distance: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import soundfile

    pytest.importorskip("matplotlib", reason="the plot needs matplotlib")
    soundfile.write(tmp_path / "one_en_00.wav", voice(0.5), 24_000)
    command = ["--data", str(tmp_path), "--rates", "", "--baselines", "", "--metrics", "pesq"]
    command += ["--cache", str(tmp_path / "cache"), "--json", str(tmp_path / "q.json")]
    assert main([*command, "--out", str(tmp_path / "out" / "q.md"), "--loss", "0.05"]) == 0
    assert "| Original |" in (tmp_path / "out" / "q.md").read_text()
    assert (tmp_path / "out" / "q.png").stat().st_size > 1000
    assert json.loads((tmp_path / "q.json").read_text())["codecs"][0]["name"] == "original"
    assert main(command) == 0
    plain = capsys.readouterr().out
    assert "# Measured quality" in plain
    assert main([*command, "--noise", str(tmp_path), "--snr", "5,15"]) == 0
    in_noise = capsys.readouterr().out
    assert in_noise.count("| Noisy input |") == 2
    assert in_noise.startswith(plain[: plain.index("## Published")])
    assert main([*command[2:], "--data", str(tmp_path / "nothing")]) == 1
    assert "not a folder" in capsys.readouterr().err
