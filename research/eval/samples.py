"""Sound examples: the same clips through every codec, with spectrograms, on one page."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from q2d2_stream.engine import load_codec
from q2d2_stream.errors import InputError, MissingExtra
from research.eval.clips import SAMPLE_RATE, Clip, sound_files, source_name
from research.eval.codec2 import Codec2
from research.eval.codecs import CodecUnderTest, Original, StreamCodec
from research.eval.credits import CREDITS, NOISE_CREDITS, Credit
from research.eval.loss import PacketLoss
from research.eval.noise import NoiseMix
from research.eval.opus import OpusCodec
from research.eval.spectrogram import save_spectrograms
from research.eval.suppressors import Suppressed

__all__ = ["choose_clips", "fair_trace", "make_samples"]

_LOSS = 0.05
_SECONDS = 3.0  # a shorter clip says too little
_SEEDS = 100
# libsndfile's scale for Opus runs from 256 kbps at 0 to 6 at 1: this is 48, far above all that
# is heard through it.
_COMPRESSION = 0.832
_ROW_INCHES = (7.5, 1.0)


@dataclass(frozen=True)
class _Version:
    """A codec as it is, with loss, or in noise: one file of a clip."""

    codec: CodecUnderTest
    loss: float = 0.0
    noise: NoiseMix | None = None

    @property
    def title(self) -> str:
        if self.noise is None:
            return self.codec.title + (f", {self.loss:.0%} of packets lost" if self.loss else "")
        title = self.codec.title
        if isinstance(self.codec, Suppressed):
            title = f"{self.codec.codec.title} behind the suppressor"
        return f"{title}, in noise at {self.noise.snr_db:g} dB SNR"

    @property
    def stem(self) -> str:
        return self.codec.name + ("_loss" if self.loss else "_noise" if self.noise else "")


@dataclass(frozen=True)
class _Sound:
    version: _Version
    pcm: npt.NDArray[np.float32]
    note: str


def make_samples(
    clips: Sequence[Clip],
    folder: Path,
    *,
    engine: str = "auto",
    models: Path | None = None,
    noise: NoiseMix | None = None,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Write ``index.md``, an Ogg Opus file per clip and version, and a picture per clip.

    Of each source that :data:`CREDITS` knows, one clip is taken. Codecs that are not installed
    are left out, and the page says so. Run again it overwrites what sounds otherwise.

    Args:
        clips: to choose from.
        folder: where to write; made if it is not there.
        engine: of our codec.
        models: folder of exported models; None for the shipped ones.
        noise: what else is mixed into the clips, for the original and our codec, it also behind the
            noise suppressor that calls have.
        progress: called with the name of each clip before its turn.

    Returns:
        The page.

    Raises:
        InputError: none of the clips may be published, or not the noise.
        MissingExtra: matplotlib is not installed.
        ModelError: our models cannot be loaded.
    """
    from q2d2_stream.engine import load_codec

    chosen = choose_clips(clips)
    codec = load_codec(models, engine)
    credit = _noise_credit(noise.folder) if noise is not None else None
    versions, missing = _versions(engine, models, noise)
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        _HEAD.format(
            model=codec.model_id,
            hash=codec.model_hash.hex(),
            engine=f"{codec.engine} {codec.precision}",
        )
    ]
    if credit is not None:
        parts.append(f"Noise: [{credit.origin}]({credit.url}), {credit.licence}.")
    parts += [f"Left out: {sentence}" for sentence in missing]
    for clip in chosen:
        if progress is not None:
            progress(clip.name)
        sounds = [_code(version, clip) for version in versions]
        for sound in sounds:
            _save(folder / _file_name(clip, sound.version), sound.pcm)
        picture = folder / f"{clip.name}.png"
        save_spectrograms(
            {sound.version.title: sound.pcm for sound in sounds}, picture, row_inches=_ROW_INCHES
        )
        parts.append(_section(clip, sounds, picture.name))
    page = folder / "index.md"
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return page


def choose_clips(clips: Sequence[Clip]) -> list[Clip]:
    """Of each source with a credit the shortest clip of 3 s or more, else its longest.

    Raises:
        InputError: no clip is of a source with a credit.
    """
    chosen = []
    for source in CREDITS:
        own = sorted((c for c in clips if c.source == source), key=lambda clip: len(clip.pcm))
        long_enough = [clip for clip in own if len(clip.pcm) >= _SECONDS * SAMPLE_RATE]
        chosen += long_enough[:1] or own[-1:]
    if not chosen:
        raise InputError(
            "none of the clips is known to be free to publish, expected some named "
            f"{', '.join(f'{source}_NN' for source in CREDITS)}"
        )
    return chosen


def fair_trace(samples: int, clip: str, share: float = _LOSS) -> npt.NDArray[np.bool_]:
    """Lost packets of a clip whose share is as near to ``share`` as chance makes it.

    In four seconds a trace taken blindly may lose nothing, or three times too much.
    """
    traces = [PacketLoss(share, seed=seed).trace(samples, clip) for seed in range(_SEEDS)]
    return min(traces, key=lambda trace: abs(float(trace.mean()) - share))


def _noise_credit(folder: Path) -> Credit:
    sources = {source_name(file) for file in sound_files(folder)}
    if len(sources) != 1 or not sources <= NOISE_CREDITS.keys():
        raise InputError(
            f"{folder} holds noise that is not known to be free to publish, expected only files "
            f"named {' or '.join(f'{source}-NN' for source in NOISE_CREDITS)}"
        )
    return NOISE_CREDITS[sources.pop()]


def _versions(
    engine: str, models: Path | None, noise: NoiseMix | None
) -> tuple[list[_Version], list[str]]:
    """What is to be heard, best known first, and sentences on what cannot be."""
    ladder = load_codec(models, engine).config.ladder
    ours = [StreamCodec(rate.name, engine, models) for rate in ladder]
    middle = ours[len(ours) // 2]
    opus = OpusCodec(6)
    wanted = [_Version(Original()), *map(_Version, ours)]
    wanted += [_Version(middle, _LOSS), _Version(ours[-1], _LOSS)]
    wanted += [_Version(opus), _Version(opus, _LOSS), _Version(Codec2(3200))]
    if noise is not None:
        heard: list[CodecUnderTest] = [Original(), middle, Suppressed(middle, "deepfilter")]
        wanted += [_Version(codec, noise=noise) for codec in heard]
    missing: dict[str, str] = {}
    for version in wanted:
        try:
            version.codec.key()
        except MissingExtra as error:
            missing[version.codec.name] = f"{version.codec.title}. {error}"
    usable = [version for version in wanted if version.codec.name not in missing]
    return usable, list(missing.values())


def _code(version: _Version, clip: Clip) -> _Sound:
    lost = fair_trace(len(clip.pcm), clip.name, version.loss) if version.loss else None
    pcm = clip.pcm if version.noise is None else version.noise.mix(clip.pcm, clip.name)[1]
    coded = version.codec.roundtrip(pcm, lost)
    notes = [f"{coded.bits / len(clip.pcm) * SAMPLE_RATE / 1000:.2f} kbps"] if coded.bits else []
    if lost is not None:
        notes.append(f"{np.count_nonzero(lost)} of {len(lost)} packets of 40 ms lost")
    return _Sound(version, np.clip(coded.pcm, -1.0, 1.0), ", ".join(notes))


def _file_name(clip: Clip, version: _Version) -> str:
    return f"{clip.name}.{version.stem}.ogg"


def _save(path: Path, pcm: npt.NDArray[np.float32]) -> None:
    import soundfile

    made = io.BytesIO()
    soundfile.write(
        made, pcm, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=_COMPRESSION
    )
    # Every Ogg file draws a serial number: what sounds the same stays, and no commit grows by it.
    if path.exists():
        made.seek(0)
        if np.array_equal(soundfile.read(path)[0], soundfile.read(made)[0]):
            return
    path.write_bytes(made.getvalue())


def _section(clip: Clip, sounds: Sequence[_Sound], picture: str) -> str:
    credit = CREDITS[clip.source]
    lines = [
        f"## {clip.name}",
        "",
        f"[{credit.origin}]({credit.url}), {credit.licence}; mono at 24 kHz, coded.",
        "",
        "| version | sound | on this clip |",
        "|---|---|---|",
    ]
    lines += [
        f"| {sound.version.title} | [listen]({_file_name(clip, sound.version)}) | {sound.note} |"
        for sound in sounds
    ]
    return "\n".join([*lines, "", f"![Spectrograms of {clip.name}]({picture})"])


_HEAD = """\
# Sound examples

| what | how |
|---|---|
| made by | `research.eval --data CLIPS --samples docs/samples --noise RECORDINGS --snr 5` |
| model | `{model}`, hash `{hash}`, {engine} |
| files | Ogg Opus at about 48 kbps, far above all that is heard through it |
| lost packets | in bursts of 60 ms on average, the same ones for every codec |
| suppressor | DeepFilterNet 3, as `--ns` has it in calls |
| Opus as a codec | as in a voice call: 20 ms, variable rate, no forward error correction |

[How they score](../topics/quality.md)."""
