"""Exporters on a network small enough for every run: what is written computes what was trained."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from q2d2_stream.engine import Codec, load_codec
from q2d2_stream.engine.choice import model_file
from q2d2_stream.engine.onnx_runner import OnnxRunner
from q2d2_stream.errors import ModelError

pytestmark = pytest.mark.train

if TYPE_CHECKING:
    from q2d2_stream.model.net import CodecNet

for package in ("torch", "onnx", "onnxscript"):
    pytest.importorskip(package, reason=f"exporting needs the package {package}")

needs_litert_torch = pytest.mark.skipif(
    importlib.util.find_spec("litert_torch") is None,
    reason="exporting to TFLite needs litert-torch (2 GB; docs/guides/embedding.md)",
)


@pytest.fixture(scope="module")
def net() -> CodecNet:
    import torch

    from q2d2_stream.model import ModelConfig
    from q2d2_stream.model.net import CodecNet

    torch.manual_seed(0)
    shape = ModelConfig(encoder_dim=48, encoder_blocks=2, decoder_dim=48, decoder_blocks=2)
    return CodecNet(shape).eval()


@pytest.fixture(scope="module")
def onnx_models(net: CodecNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from export.onnx import export_onnx
    from export.onnx_int8 import export_onnx_int8

    folder = tmp_path_factory.mktemp("onnx")
    export_onnx(net, folder, "a test")
    export_onnx_int8(folder)
    return folder


@pytest.fixture(scope="module")
def tflite_models(net: CodecNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from export.tflite import export_tflite

    folder = tmp_path_factory.mktemp("tflite")
    export_tflite(net, folder, "a test")
    return folder


def assert_streams(codec: Codec) -> None:
    pcm = np.random.default_rng(0).normal(0, 0.1, 320 * 20).astype(np.float32)
    assert np.isfinite(codec.decoder().push(codec.encoder(6).push(pcm))).all()
    assert codec.info["training"] == "a test"


def test_the_gain_makes_the_level_right(net: CodecNet, tmp_path: Path) -> None:
    """Measured, written and applied: what the decoder is short of is made up for."""
    from export.level import measure_gain_db
    from export.onnx import export_onnx

    clip = np.random.default_rng(0).normal(0, 0.1, 320 * 75).astype(np.float32)
    # The level of an untrained network is anything: a clip that is 3 dB louder than it.
    clip *= np.float32(10 ** ((3 - measure_gain_db(net, [clip])[-1]) / 20))
    gains = measure_gain_db(net, [clip])
    export_onnx(net, tmp_path, "a test", gain_db=gains)
    codec = load_codec(tmp_path, "onnx", "fp32")
    for rate in codec.rates:
        heard = codec.decoder().push(codec.encoder(rate).push(clip))[320:]
        power = np.square(heard).sum() / np.square(clip[:-320]).sum()
        assert abs(10 * np.log10(power)) < 0.2, (str(rate), gains)


@pytest.mark.parametrize("text", ["[0, 0]", "{}", '"loud"', "[0, 0, 0, 99]", "[0, 0, 0, NaN]"])
def test_gains_that_make_no_sense_are_refused(onnx_models: Path, text: str) -> None:
    decoder = OnnxRunner(onnx_models / "decoder.onnx")
    decoder._metadata["q2d2.gain_db"] = text
    with pytest.raises(ModelError, match="gains are"):
        Codec(lambda role: decoder)


def test_onnx_computes_what_torch_does(net: CodecNet, onnx_models: Path) -> None:
    from export.parity import compare

    encoder, decoder = (OnnxRunner(onnx_models / f"{role}.onnx") for role in ("encoder", "decoder"))
    report = compare(net, encoder, decoder, frames=40)
    assert report.passed, report
    assert_streams(load_codec(onnx_models, "onnx", "fp32"))


def test_onnx_int8_is_torch_but_for_rounding(net: CodecNet, onnx_models: Path) -> None:
    from export.rounding import measure_rounding

    encoder, decoder = (
        OnnxRunner(model_file(onnx_models, r, ("onnx", "int8"))) for r in ("encoder", "decoder")
    )
    report = measure_rounding(net, encoder, decoder, frames=40)
    assert report.latent_db > 20, report
    assert report.indices > 0.85, report
    codec = load_codec(onnx_models, "onnx", "int8")
    assert_streams(codec)
    assert codec.model_hash == load_codec(onnx_models, "onnx", "fp32").model_hash


def test_onnx_int8_names_what_it_lacks(tmp_path: Path) -> None:
    from export.onnx_int8 import export_onnx_int8

    with pytest.raises(ModelError, match=r"run export\.onnx first"):
        export_onnx_int8(tmp_path)


def test_a_checkpoint_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from export.tflite import main

    path = tmp_path / "none.pt"
    path.write_bytes(b"nothing")
    assert main([str(path), "--out", str(tmp_path)]) == 1
    assert "is not a q2d2-stream checkpoint" in capsys.readouterr().err


@needs_litert_torch
def test_tflite_computes_what_torch_does(net: CodecNet, tflite_models: Path) -> None:
    from export.parity import compare
    from export.rounding import measure_rounding
    from export.tflite import load_pair

    report = compare(net, *load_pair(tflite_models, "fp32"), frames=40)
    assert report.passed, report
    rounding = measure_rounding(net, *load_pair(tflite_models, "int8"), frames=40)
    assert rounding.latent_db > 20, rounding
    assert rounding.indices > 0.85, rounding


@needs_litert_torch
def test_tflite_files_say_what_the_onnx_files_say(tflite_models: Path, onnx_models: Path) -> None:
    from q2d2_stream.engine.litert_runner import check_file

    for precision in ("fp32", "int8"):
        assert_streams(load_codec(tflite_models, "tflite", precision))
        for role in ("encoder", "decoder"):
            mine = check_file(model_file(tflite_models, role, ("tflite", precision)))
            theirs = OnnxRunner(onnx_models / f"{role}.onnx").metadata
            assert {key: mine[key] for key in theirs} == dict(theirs)
            assert mine["q2d2.precision"] == precision
            assert len(json.loads(mine["q2d2.probe"])) == (320 if role == "decoder" else 24)


@needs_litert_torch
def test_the_tables_of_the_transforms_stay_float(tflite_models: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path = tflite_models / "decoder.int8.tflite"
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    tensors = {t["index"]: t for t in interpreter.get_tensor_details()}
    kinds: dict[tuple[int, ...], object] = {}
    for op in interpreter._get_ops_details():
        if op["op_name"] == "FULLY_CONNECTED":
            weight = tensors[op["inputs"][1]]
            kinds.setdefault(tuple(weight["shape"]), weight["dtype"])
    assert kinds[(161, 161)] is kinds[(160, 160)] is kinds[(159, 159)] is np.float32
    assert kinds[(144, 48)] is kinds[(48, 144)] is np.int8


def test_exported_models_become_checkpoints_again(
    net: CodecNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import copy

    import torch

    from export.onnx import export_onnx
    from export.restore import main
    from research.train.checkpoint import load_net

    trained = copy.deepcopy(net)
    with torch.no_grad():  # an exporter folds what is all ones or zeros
        for parameter in trained.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    export_onnx(trained, tmp_path, "a test")

    whole = tmp_path / "net.pt"
    assert main([str(whole), "--models", str(tmp_path)]) == 0
    restored = load_net(whole)
    for name, value in trained.named_parameters():
        torch.testing.assert_close(restored.get_parameter(name), value, atol=0, rtol=0)

    assert main([str(whole), "--models", str(tmp_path / "nothing")]) == 1
    assert "no encoder.onnx" in capsys.readouterr().err


def test_discriminator_is_kept_and_put_back(
    net: CodecNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    from export.discriminator import DISCRIMINATOR, main
    from q2d2_stream.model.shipped import read_discriminator, shipped_discriminator
    from research.train.checkpoint import Average, Progress, save_checkpoint
    from research.train.stages import AdversarialStage

    stage = AdversarialStage(net)
    stage.steps.fill_(777)
    own = {k: v for k, v in stage.state_dict().items() if not k.startswith("net.")}
    checkpoint, kept = tmp_path / "stage2.pt", tmp_path / "discriminator.npz"
    save_checkpoint(checkpoint, net, Average(net), own, {}, Progress(stage=2))
    assert main([str(checkpoint), "--out", str(kept)]) == 0
    found = read_discriminator(kept)
    for name, value in own.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4)

    save_checkpoint(checkpoint, net, Average(net), {}, {}, Progress(stage=1))
    assert main([str(checkpoint), "--out", str(kept)]) == 1
    assert "no discriminator" in capsys.readouterr().err
    np.savez(kept, steps=np.zeros(()))
    with pytest.raises(ModelError, match="other shapes"):
        read_discriminator(kept)
    kept.write_bytes(kept.read_bytes()[:40])
    with pytest.raises(ModelError, match="holds no discriminator"):
        read_discriminator(kept)
    assert shipped_discriminator(DISCRIMINATOR.parent) is not None
    with pytest.raises(ModelError, match="no discriminator is kept"):
        read_discriminator(tmp_path / "nothing.npz")
