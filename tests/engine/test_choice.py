"""Which engine is taken, and one sentence for every model file that is no good."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from q2d2_stream.engine import load_codec
from q2d2_stream.engine.choice import available, choices, model_file
from q2d2_stream.engine.codec import MODELS
from q2d2_stream.engine.litert_runner import METADATA_FILE, LitertRunner, check_file
from q2d2_stream.errors import InputError, MissingExtra, ModelError

AVAILABLE = list(available(MODELS))
needs_tflite = pytest.mark.skipif(
    ("tflite", "int8") not in AVAILABLE, reason="no TFLite models or no LiteRT on this machine"
)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of the shipped models, to be broken."""
    for file in MODELS.iterdir():
        if file.suffix in (".onnx", ".tflite"):
            shutil.copy(file, tmp_path / file.name)
    return tmp_path


def one_sentence(error: pytest.ExceptionInfo[Exception]) -> str:
    text = str(error.value)
    assert text
    assert "\n" not in text.strip()
    return text


def rewrite(path: Path, **changes: str) -> None:
    """Other metadata in front of the same model."""
    metadata = check_file(path) | changes
    with zipfile.ZipFile(path) as archive:
        model = path.read_bytes()[: archive.getinfo(METADATA_FILE).header_offset]
    with path.open("wb") as file:
        file.write(model)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(METADATA_FILE, json.dumps(metadata))


def test_int8_comes_before_fp32_and_litert_before_onnx() -> None:
    assert choices()[0] == ("tflite", "int8")
    assert choices("onnx") == [("onnx", "int8"), ("onnx", "fp32")]
    assert choices("auto", "fp32") == [("tflite", "fp32"), ("onnx", "fp32")]
    assert choices("tflite", "fp32") == [("tflite", "fp32")]


def test_auto_takes_the_first_available() -> None:
    codec = load_codec()
    assert (codec.engine, codec.precision) == AVAILABLE[0]


@pytest.mark.parametrize(("engine", "precision"), [("torch", "auto"), ("auto", "fp16")])
def test_unknown_names_are_refused(engine: str, precision: str) -> None:
    with pytest.raises(InputError, match="expected auto, ") as error:
        load_codec(engine=engine, precision=precision)
    one_sentence(error)


@pytest.mark.parametrize("engine", ["auto", "onnx", "tflite"])
def test_missing_files_are_named(tmp_path: Path, engine: str) -> None:
    with pytest.raises(ModelError, match="does not exist") as error:
        load_codec(tmp_path, engine)
    one_sentence(error)


@pytest.mark.parametrize("choice", AVAILABLE, ids="-".join)
@pytest.mark.parametrize("damage", ["empty", "cut", "noise"])
def test_damaged_files_are_refused(models: Path, choice: tuple[str, str], damage: str) -> None:
    path = model_file(models, "decoder", choice)
    data = path.read_bytes()
    noise = np.random.default_rng(0).bytes(5000)
    path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "noise": noise}[damage])
    with pytest.raises(ModelError, match=path.name) as error:
        load_codec(models, *choice)
    one_sentence(error)


@needs_tflite
def test_a_changed_byte_is_noticed(models: Path) -> None:
    path = models / "decoder.int8.tflite"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="damaged: its checksum") as error:
        load_codec(models, "tflite", "int8")
    one_sentence(error)


@pytest.mark.parametrize("choice", AVAILABLE, ids="-".join)
def test_swapped_roles_are_noticed(models: Path, choice: tuple[str, str]) -> None:
    shutil.copy(model_file(models, "encoder", choice), model_file(models, "decoder", choice))
    with pytest.raises(ModelError, match="role encoder; expected format 1, role decoder") as error:
        load_codec(models, *choice)
    one_sentence(error)


@needs_tflite
def test_other_formats_and_models_are_refused(models: Path) -> None:
    rewrite(models / "decoder.int8.tflite", **{"q2d2.format": "9"})
    with pytest.raises(ModelError, match="format 9, role decoder; expected format 1"):
        load_codec(models, "tflite", "int8")
    rewrite(models / "decoder.int8.tflite", **{"q2d2.format": "1", "q2d2.model_id": "another"})
    with pytest.raises(ModelError, match=r"the encoder is of model .*, the decoder of another"):
        load_codec(models, "tflite", "int8").encoder()


@needs_tflite
def test_auto_goes_on_to_the_next_engine(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    (models / "decoder.int8.tflite").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        codec = load_codec(models)
    assert (codec.engine, codec.precision) == AVAILABLE[1]
    assert "trying the next engine" in caplog.text


@needs_tflite
def test_without_an_interpreter_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)
    with pytest.raises(MissingExtra, match=r"ai-edge-litert.*q2d2-stream\[tflite\]") as error:
        load_codec(engine="tflite")
    one_sentence(error)


@needs_tflite
def test_tflite_runtime_is_the_second_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    from ai_edge_litert import interpreter

    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", interpreter)
    assert LitertRunner(MODELS / "decoder.int8.tflite").metadata["q2d2.role"] == "decoder"


@needs_tflite
def test_an_interpreter_that_returns_zeros_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from ai_edge_litert import interpreter

    class Zeros(interpreter.Interpreter):  # type: ignore[misc]
        def tensor(self, index: int) -> Any:
            view = super().tensor(index)
            return lambda: 0 * view()

    fake = types.SimpleNamespace(Interpreter=Zeros)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", fake)
    with pytest.raises(ModelError, match=r"tflite-runtime computes .* wrongly") as error:
        load_codec(engine="tflite", precision="int8")
    assert "pip install ai-edge-litert" in one_sentence(error)
