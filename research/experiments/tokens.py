"""A small causal language model of the tokens: what do they cost, and what does it say?

    python -m research.experiments.tokens --data SPEECH --eval CLIPS --cache FOLDER [--samples OUT]

The model (a GRU) is trained on the indices of the base pairs, 1.5 kbps. Pairs are delayed as in
MusicGen (arXiv 2306.05284): a step predicts pair 1 of one frame, pair 2 of the frame before and
pair 3 of the one before that, so every pair knows the pairs before it in its frame. Bits per frame
on held-out clips stand beside what the codec's entropy tables take, and beside the same model on
tokens of the codec with learned codebooks of as many codes, and with rhombic pairs, both trained on
for as many steps (:mod:`research.experiments.decoded`).

With ``--samples`` it goes on where clips were cut off, and the decoder makes it heard.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from q2d2_stream.cli.failures import run_command
from q2d2_stream.config import SAMPLE_RATE
from q2d2_stream.engine import load_codec
from q2d2_stream.errors import InputError
from research.eval.clips import load_clips
from research.experiments.coded_rate import run_cost
from research.experiments.decoded import Decoded
from research.experiments.harness.features import HOP
from research.experiments.harness.fine_tuning import Settings as FineTuning
from research.experiments.harness.fine_tuning import hidden
from research.experiments.harness.results import FOLDER, PICTURES, Results, newest, spread
from research.experiments.harness.tables import save

__all__ = ["Settings", "TokenModel", "bits_per_frame", "continued", "delayed", "main", "train"]

logger = logging.getLogger(__name__)

Indices = NDArray[np.int64]  # (frames, pairs)
Pcm = NDArray[np.float32]

_CODEC, _VQ = "shipped", "VQ 2-D"
_ARMS = ("rhombic", _VQ)
_PAIRS = 3
_WINDOW = 1500  # frames encoded at a time
_BLOCK_FRAMES = 75
_QUIETEST = 0.02  # rms of speech
_PROMPT_FRAMES, _ADDED_FRAMES = 150, 225


@dataclass(frozen=True)
class Settings:
    """Size and length of a run."""

    steps: int = 300
    batch: int = 32
    frames: int = 64
    lr: float = 6e-3
    dim: int = 128


def delayed(tokens: Tensor, begin: Sequence[int]) -> Tensor:
    """``(batch, frames, pairs)`` -> ``(batch, frames + pairs, pairs)``: pair p is p steps late, and
    a step earlier each pair has ``begin``, which stands wherever there is nothing."""
    batch, frames, pairs = tokens.shape
    late = torch.tensor(begin).expand(batch, frames + pairs, pairs).clone()
    for pair in range(pairs):
        late[:, pair + 1 : pair + 1 + frames, pair] = tokens[..., pair]
    return late


class TokenModel(nn.Module):
    """Embeddings, one GRU, and logits of every pair."""

    def __init__(self, sizes: Sequence[int], dim: int) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.embeddings = nn.ModuleList(nn.Embedding(size + 1, dim) for size in sizes)
        self.memory = nn.GRU(dim, dim, batch_first=True)
        self.heads = nn.ModuleList(nn.Linear(dim, size) for size in sizes)

    def forward(self, late: Tensor, state: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
        """Delayed tokens up to now -> logits of the next of every pair, and the state."""
        x = sum(table(late[..., i]) for i, table in enumerate(self.embeddings))
        x, state = self.memory(x, state)
        return [head(x) for head in self.heads], state

    def nats(self, tokens: Tensor) -> Tensor:
        """Cross-entropy of each pair, sum over ``(batch, frames, pairs)`` -> ``(pairs,)``."""
        late = delayed(tokens, self.sizes)
        logits, _ = self(late[:, :-1])
        losses = [
            functional.cross_entropy(
                logits[pair][:, pair : pair + tokens.shape[1]].flatten(0, 1),
                tokens[..., pair].flatten(),
                reduction="sum",
            )
            for pair in range(len(self.sizes))
        ]
        return torch.stack(losses)


def train(tokens: Indices, sizes: Sequence[int], settings: Settings, seed: int) -> TokenModel:
    """A model of a long series of tokens."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = TokenModel(sizes, settings.dim)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, betas=(0.9, 0.98))
    count, recent = settings.batch * settings.frames, 0.0
    for step in range(settings.steps):
        rate = min(1.0, (step + 1) / 20) * min(1.0, (1 - step / settings.steps) / 0.5)
        optimizer.param_groups[0]["lr"] = settings.lr * rate
        starts = rng.integers(0, len(tokens) - settings.frames, settings.batch)
        clips = np.stack([tokens[first : first + settings.frames] for first in starts])
        loss = model.nats(torch.from_numpy(clips.astype(np.int64))).sum() / count
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        recent += float(loss.detach()) / np.log(2)
        if (step + 1) % 50 == 0:
            logger.info("seed %d step %d: %.3f bits per frame", seed, step + 1, recent / 50)
            recent = 0.0
    return model.eval()


@torch.no_grad()
def bits_per_frame(model: TokenModel, clips: Sequence[Indices]) -> list[float]:
    """Of each pair, mean over all frames of some clips."""
    total = sum(model.nats(torch.from_numpy(clip.astype(np.int64))[None]) for clip in clips)
    frames = sum(map(len, clips))
    return [float(nats) / frames / np.log(2) for nats in torch.as_tensor(total)]


@torch.no_grad()
def continued(
    model: TokenModel, prompt: Indices, frames: int, seed: int, temperature: float = 0.9
) -> Indices:
    """The prompt and ``frames`` more."""
    torch.manual_seed(seed)
    pairs, known = len(model.sizes), len(prompt)
    late = delayed(torch.from_numpy(prompt.astype(np.int64))[None], model.sizes)
    grown = torch.cat([late, late.new_zeros(1, frames, pairs)], 1)
    logits, state = model(grown[:, :known])
    for step in range(known, known + frames + pairs - 1):
        # what stands at step + 1 is told by all up to step
        logits, state = model(grown[:, step : step + 1], state)
        for pair in range(pairs):
            if step - pair >= known:
                chances = torch.softmax(logits[pair][0, -1] / temperature, -1)
                grown[0, step + 1, pair] = int(torch.multinomial(chances, 1))
    whole = [grown[0, pair + 1 : pair + 1 + known + frames, pair] for pair in range(pairs)]
    return torch.stack(whole, -1).numpy()


class _Tokens(NamedTuple):
    """Tokens of training speech and of held-out clips, ``(frames, pairs)``; numbers of codes."""

    speech: Indices
    clips: list[Indices]
    sizes: tuple[int, ...]


@torch.no_grad()
def _shipped_tokens(runs: Decoded, clips: Sequence[Pcm]) -> _Tokens:
    net, x = runs.net, torch.from_numpy(runs.material.hidden)
    windows = x[: len(x) // _WINDOW * _WINDOW].view(-1, _WINDOW, x.shape[1]).float()
    latents = torch.tanh(net.encoder.project_out(windows)) * net.encoder.scale
    _, speech = net.quantizer.shaped(latents)
    held_out = [net.encode(torch.from_numpy(_whole(pcm))[None])[1][0].numpy() for pcm in clips]
    sizes = net.config.codec.codebook_sizes[:_PAIRS]
    first = [each[:, :_PAIRS] for each in (speech.flatten(0, 1).numpy(), *held_out)]
    return _Tokens(first[0], first[1:], sizes)


def _tuned_tokens(runs: Decoded, arm: str, seed: int, clips: Sequence[Pcm]) -> _Tokens:
    codec, _ = runs.codec(arm, seed)
    parts = torch.split(torch.from_numpy(runs.material.hidden), _WINDOW)
    speech = np.concatenate([codec.indices(part.float()) for part in parts])
    begin = runs.net.encoder.initial_state(1)
    seen = [hidden(runs.net, torch.from_numpy(_whole(pcm))[None], begin)[0][0] for pcm in clips]
    first = [each[:, :_PAIRS] for each in (speech, *map(codec.indices, seen))]
    return _Tokens(first[0], first[1:], codec.quantizer.sizes[:_PAIRS])


def _whole(pcm: Pcm) -> Pcm:
    """Without the samples after the last frame."""
    return np.ascontiguousarray(pcm[: len(pcm) // HOP * HOP])


def _study(
    runs: Decoded, name: str, settings: Settings, seed: int, clips: Sequence[Pcm]
) -> dict[str, Any]:
    tokens = (
        _shipped_tokens(runs, clips) if name == _CODEC else _tuned_tokens(runs, name, seed, clips)
    )
    begun = time.process_time()
    model = train(tokens.speech, tokens.sizes, settings, seed)
    seconds = time.process_time() - begun
    torch.save(model.state_dict(), _path(runs, name, seed))
    found = bits_per_frame(model, tokens.clips)
    told = _told(model, found, np.concatenate(tokens.clips), seconds)
    codec = load_codec()
    if name == _CODEC and codec.coder is not None:
        sent = [clip.astype(np.uint8) for clip in tokens.clips]
        told["tables_bits"] = run_cost(codec, codec.coder, sent, 0, _BLOCK_FRAMES).coded
    return told | {"frames": len(tokens.speech)}


def _path(runs: Decoded, name: str, seed: int) -> Path:
    return runs.cache / f"token-model-{name}-{seed}-{runs.model_id}.pt".replace(" ", "_")


def _told(model: TokenModel, bits: list[float], tokens: Indices, seconds: float) -> dict[str, Any]:
    shares = [
        np.bincount(tokens[:, i], minlength=n) / len(tokens) for i, n in enumerate(model.sizes)
    ]
    alone = [float(-(s[s > 0] * np.log2(s[s > 0])).sum()) for s in shares]
    return {
        "sent_bits": float(np.log2(model.sizes).sum()),
        "alone_bits": sum(alone),
        "bits": bits,
        "seconds": seconds,
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def table(records: Sequence[dict[str, Any]]) -> str:
    """Bits per frame, as Markdown."""
    lines = [
        "| tokens | sent | each by itself | entropy tables | language model | of sent |",
        "|---|---|---|---|---|---|",
    ]
    for name in (_CODEC, *_ARMS):
        mine = [r for r in records if r["tokens"] == name]
        if mine:
            found = [sum(r["bits"]) for r in mine]
            tables = [r["tables_bits"] for r in mine if "tables_bits" in r]
            lines.append(
                f"| {name} | {mine[0]['sent_bits']:.1f} | "
                f"{spread([r['alone_bits'] for r in mine], 2)} | "
                f"{f'{tables[0]:.2f}' if tables else ''} | {spread(found, 2)} | "
                f"{np.mean(found) / mine[0]['sent_bits']:.0%} |"
            )
    return "\n".join(lines)


def draw(records: Sequence[dict[str, Any]]) -> Figure:
    """Bits a frame of every kind of tokens, mean and deviation over the seeds."""
    figure = Figure(figsize=(6.5, 3.2), layout="constrained")
    axes = figure.subplots()
    shown = [name for name in (_CODEC, *_ARMS) if any(r["tokens"] == name for r in records)]
    bars: dict[str, Callable[[dict[str, Any]], float]] = {
        "sent": lambda r: float(r["sent_bits"]),
        "each by itself": lambda r: float(r["alone_bits"]),
        "entropy tables": lambda r: float(r.get("tables_bits", np.nan)),
        "language model": lambda r: float(sum(r["bits"])),
    }
    for place, (label, bits_of) in enumerate(bars.items()):
        each = [[bits_of(r) for r in records if r["tokens"] == name] for name in shown]
        at = np.arange(len(shown)) + 0.2 * (place - 1.5)
        axes.bar(at, [np.mean(e) for e in each], 0.19, yerr=[np.std(e) for e in each], label=label)
    axes.set_xticks(range(len(shown)), shown)
    axes.set_ylabel("bits a frame")
    axes.legend(fontsize="small", loc="lower right")
    return figure


def write_samples(
    runs: Decoded, settings: Settings, folder: Path, clips: Mapping[str, Pcm]
) -> None:
    """Two seconds of some clips, and three that the model adds, as decoded; a short high tone
    marks where they begin."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (_CODEC, _VQ):
        if not _path(runs, name, 0).exists():
            logger.warning("no continuations of %s: its model is not in %s", name, runs.cache)
            continue
        codec = None if name == _CODEC else runs.codec(name, 0)[0]
        tokens = (
            _shipped_tokens(runs, list(clips.values()))
            if codec is None
            else _tuned_tokens(runs, name, 0, list(clips.values()))
        )
        model = TokenModel(tokens.sizes, settings.dim)
        model.load_state_dict(torch.load(_path(runs, name, 0), weights_only=True))
        model.eval()
        for clip, spoken in zip(clips, tokens.clips, strict=True):
            said = continued(model, spoken[:_PROMPT_FRAMES], _ADDED_FRAMES, seed=0)
            if codec is None:
                pcm = np.array(load_codec().decoder().push(said.astype(np.uint8)))
            else:
                pcm = codec.decode(torch.from_numpy(said))
            _mark(pcm, _PROMPT_FRAMES * HOP + runs.net.config.codec.lookahead)
            path = folder / f"{clip}.continued_{name.split()[0].lower()}.ogg"
            soundfile.write(path, pcm, SAMPLE_RATE, subtype="OPUS")


def from_first_word(pcm: Pcm) -> Pcm:
    """Without the silence that a clip begins with."""
    frames = _whole(pcm).reshape(-1, HOP)
    loud = np.sqrt((frames**2).mean(1)) > _QUIETEST
    return frames[int(np.argmax(loud)) :].ravel()


def _mark(pcm: NDArray[np.float32], at: int) -> None:
    """Add a tone of 40 ms from a sample on."""
    time = np.arange(SAMPLE_RATE // 25) / SAMPLE_RATE
    tone = 0.1 * np.sin(2 * np.pi * 3000 * time) * np.hanning(len(time))
    pcm[at : at + len(time)] += tone.astype(np.float32)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; write what the model says."""
    parser = argparse.ArgumentParser(
        prog="research.experiments.tokens",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of training speech")
    parser.add_argument("--eval", type=Path, help="folder of held-out clips")
    parser.add_argument("--cache", type=Path, help="decoded speech, features and weights")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--samples", type=Path, help="folder for continuations")
    parser.add_argument("--clips", type=int, default=2, help="how many continuations")
    parser.add_argument("--results", type=Path, default=FOLDER, help="folder of the records")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="folder of the pictures")
    return run_command("tokens", partial(_run, parser.parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    results, settings = Results.of("tokens", args.results), Settings()
    if args.data is not None:
        if args.eval is None or args.cache is None:
            raise InputError("this run needs held-out clips; give --eval and --cache")
        torch.set_num_threads(1)
        runs = Decoded(results, args.data, args.cache, FineTuning())
        clips = {clip.name: clip.pcm for clip in load_clips(args.eval)}
        for seed in range(args.seeds):
            for name in (_CODEC, *_ARMS):
                key = {"tokens": name, "seed": seed, "settings": asdict(settings)}
                key |= {"model_id": runs.model_id}
                work = partial(_study, runs, name, settings, seed, list(clips.values()))
                results.measure(key, work)
        if args.samples is not None:
            names = list(clips)[:: max(1, len(clips) // args.clips)][: args.clips]
            some = {name: from_first_word(clips[name]) for name in names}
            write_samples(runs, settings, args.samples, some)
    records = newest(results.read())
    print(table(records))
    if records:
        save(draw(records), "tokens", args.pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
