"""include/q2d2_wire.h against the Python code: equal on random cases, safe on hostile bytes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from q2d2_stream.config import BITSTREAM_1
from q2d2_stream.errors import FormatError, HandshakeError, InputError, WireError
from q2d2_stream.lattice import Lattice
from q2d2_stream.packet import PacketCoder, Toc
from q2d2_stream.packing import pack, packed_bytes, unpack
from q2d2_stream.protocol.audio import AudioBody, Flag
from q2d2_stream.protocol.fields import printable
from q2d2_stream.protocol.hello import Hello, ModelOffer
from q2d2_stream.protocol.key_exchange import Method
from q2d2_stream.protocol.kinds import Capability, Role
from q2d2_stream.protocol.messages import decode, encode
from q2d2_stream.protocol.replay import COUNTER_BITS, unwrap
from q2d2_stream.protocol.sealing import Stream, is_sealed
from q2d2_stream.quantizer import NoiseShaper
from q2d2_stream.refinement import RefinementCode
from tests.labs.paths import ROOT

CONFIG = BITSTREAM_1
LATTICE = Lattice.of(CONFIG)
BAD_ARGUMENT, NO_SPACE, MALFORMED, OTHER_VERSION, CODED = "-1", "-2", "-3", "-4", "-5"
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror"]
SANITIZE = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

# (operation, three numbers, bytes) -> the words of the answer
Case = tuple[str, tuple[int, int, int], bytes]
Driver = Callable[[Iterable[Case]], list[list[str]]]

COMPILER = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(COMPILER is None, reason="no C compiler on this machine"),
]


def compile_driver(out: Path, flags: list[str]) -> subprocess.CompletedProcess[str]:
    source = ROOT / "tests" / "include" / "driver.c"
    command = [COMPILER or "cc", *flags, f"-I{ROOT / 'include'}", str(source), "-o", str(out)]
    return subprocess.run([*command, "-lm"], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", params=["optimised", "sanitized"])
def driver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Driver:
    program = tmp_path_factory.mktemp("c") / "driver"
    sanitized = request.param == "sanitized"
    built = compile_driver(program, [*STRICT, *(SANITIZE if sanitized else ["-O2"])])
    if sanitized and "san" in built.stderr and "cannot find" in built.stderr:
        pytest.skip("this compiler has no sanitizer libraries")
    assert built.returncode == 0, built.stderr

    def run(cases: Iterable[Case]) -> list[list[str]]:
        lines = [f"{op} {a} {b} {c} {data.hex()}\n" for op, (a, b, c), data in cases]
        done = subprocess.run([program], input="".join(lines), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[:4000]
        answers = [line.split() for line in done.stdout.splitlines()]
        assert len(answers) == len(lines)
        return answers

    return run


def floats(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values, "<f4").tobytes()


def random_indices(rng: np.random.Generator, frames: int, rate: int) -> np.ndarray:
    codes = CONFIG.ladder[rate].codebook_sizes
    return rng.integers(0, codes, (frames, len(codes))).astype(np.uint8)


def test_nearest_is_pythons(driver: Driver) -> None:
    rng = np.random.default_rng(1)
    latents = [
        *rng.uniform(-6, 6, (3000, 12)),
        *rng.integers(-12, 13, (3000, 12)) / 2,  # ties between points and between cosets
        *rng.integers(-24, 25, (2000, 12)) / 4,
        *rng.normal(0, 1e6, (50, 12)),
    ]
    cases = [latent[: 2 * rng.integers(1, 7)].astype(np.float32) for latent in latents]
    answers = driver(("nearest", (0, 0, 0), floats(latent)) for latent in cases)
    for latent, answer in zip(cases, answers, strict=True):
        assert answer == ["0", LATTICE.nearest(latent).tobytes().hex()]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nearest_refuses_what_is_not_finite(driver: Driver, bad: float) -> None:
    latent = np.zeros(12)
    latent[7] = bad
    assert driver([("nearest", (0, 0, 0), floats(latent))]) == [[BAD_ARGUMENT]]
    assert driver([("nearest", (0, 0, 0), floats(np.zeros(14)))]) == [[BAD_ARGUMENT]]
    assert driver([("nearest", (0, 0, 0), b"")]) == [[BAD_ARGUMENT]]


def test_noise_shaping_is_pythons(driver: Driver) -> None:
    rng = np.random.default_rng(4)
    cases, expected = [], []
    for spread in (0.1, 2.0, 4.0, 1e6) * 20:
        feedback = rng.uniform(-1, 1, (2, 12)).astype(np.float32)
        latents = rng.normal(0, spread, (60, 12)).astype(np.float32)
        cases.append(("quantize", (0, 0, 0), floats(feedback) + floats(latents)))
        shaper = NoiseShaper(LATTICE, feedback)
        expected.append([w for x in latents for w in ("0", shaper.quantize(x).tobytes().hex())])
    assert driver(cases) == expected


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_noise_shaping_forgets_what_is_not_finite(driver: Driver, bad: float) -> None:
    rng = np.random.default_rng(5)
    feedback, latents = np.full((2, 12), 0.5), rng.normal(0, 2, (3, 12)).astype(np.float32)
    latents[1, 7] = bad
    ((zero, _, code, again, *last),) = driver(
        [("quantize", (0, 0, 0), floats(feedback) + floats(latents))]
    )
    shaper = NoiseShaper(LATTICE, feedback)
    shaper.quantize(latents[0])
    assert (zero, code, again) == ("0", BAD_ARGUMENT, "0")
    assert last == [shaper.quantize(latents[2]).tobytes().hex()]


@pytest.mark.parametrize("divide", [0, 1])
def test_every_point_is_pythons(driver: Driver, divide: int) -> None:
    cases = [
        np.minimum(n, np.array(CONFIG.codebook_sizes) - 1).astype(np.uint8) for n in range(145)
    ]
    answers = driver(("point", (divide, 0, 0), case.tobytes()) for case in cases)
    look_up = LATTICE.normalised if divide else LATTICE.point
    for case, answer in zip(cases, answers, strict=True):
        assert answer == ["0", floats(look_up(case)).hex()]
    for bad in (bytes([145]), bytes([0, 85]), bytes(7), b""):
        assert driver([("point", (divide, 0, 0), bad)]) == [[BAD_ARGUMENT]]


def test_refinement_is_pythons(driver: Driver) -> None:
    rng = np.random.default_rng(7)
    basis = np.linalg.qr(rng.normal(size=(40, 40)))[0].astype(np.float32)
    mean, unit = rng.normal(0, 0.1, 40).astype(np.float32), np.linspace(0.8, 0.3, 18, dtype="f4")
    code = RefinementCode(mean, basis, 0.7, unit)
    errors = rng.normal(0, 0.5, (20, 40)).astype(np.float32)
    given = [mean, np.ascontiguousarray(basis[:, :18]), unit, errors]
    (answer,) = driver([("refine", (0, 0, 0), b"".join(map(floats, given)))])
    for error, (found, indices, back) in zip(errors, batched(answer, 3), strict=True):
        expected = code.indices(error)
        assert (found, indices) == ("0", expected.tobytes().hex())
        told = np.frombuffer(bytes.fromhex(back), "<f4")
        np.testing.assert_allclose(told, code.indices_to_error(expected), atol=1e-5)
    errors[3, 11] = np.nan
    (answer,) = driver([("refine", (0, 0, 0), b"".join(map(floats, given)))])
    assert answer.count(BAD_ARGUMENT) == 1


def batched(words: list[str], size: int) -> Iterator[list[str]]:
    return (words[n : n + size] for n in range(0, len(words), size))


def test_packing_is_pythons(driver: Driver) -> None:
    rng = np.random.default_rng(2)
    sizes = [(rate, frames) for rate in range(len(CONFIG.ladder)) for frames in range(1, 17)]
    blocks = [
        (rate, random_indices(rng, frames, rate)) for rate, frames in sizes for _ in range(50)
    ]
    most = [np.array(rate.codebook_sizes, np.uint8) - np.uint8(1) for rate in CONFIG.ladder]
    blocks += [(r, np.zeros((n, len(most[r])), np.uint8)) for r, n in sizes]
    blocks += [(r, np.tile(most[r], (n, 1))) for r, n in sizes]
    expected = [pack(block, CONFIG) for _, block in blocks]
    packed = driver(
        ("pack", (rate, len(block), len(data)), block.tobytes())
        for (rate, block), data in zip(blocks, expected, strict=True)
    )
    unpacked = driver(
        ("unpack", (rate, len(block), 0), data)
        for (rate, block), data in zip(blocks, expected, strict=True)
    )
    for (_, block), data, there, back in zip(blocks, expected, packed, unpacked, strict=True):
        assert there == [str(len(data)), data.hex()]
        assert back == ["0", block.tobytes().hex()]


def test_packing_refuses_what_python_refuses(driver: Driver) -> None:
    rng = np.random.default_rng(3)
    cases: list[Case] = []
    for _ in range(4000):
        rate, frames = int(rng.integers(0, len(CONFIG.ladder))), int(rng.integers(1, 9))
        size = packed_bytes(CONFIG, rate, frames) + int(rng.choice([-1, 0, 0, 0, 0, 1]))
        cases.append(("unpack", (rate, frames, 0), rng.bytes(size)))
    refused = 0
    for (_, (rate, frames, _), data), answer in zip(cases, driver(cases), strict=True):
        try:
            assert answer == ["0", unpack(data, CONFIG, rate, frames).tobytes().hex()]
        except InputError:
            refused += 1
            assert answer == [MALFORMED]
    assert 0 < refused < len(cases)
    for rate, frames in ((-1, 1), (4, 1), (0, 0), (0, 17), (0, -1)):
        assert driver([("unpack", (rate, frames, 0), b"")]) == [[BAD_ARGUMENT]]
    assert driver([("pack", (0, 1, 3), bytes([145, 0, 0]))]) == [[BAD_ARGUMENT]]
    assert driver([("pack", (0, 1, 2), bytes(3))]) == [[NO_SPACE]]


def packet_words(data: bytes) -> list[str]:
    """What the driver must answer: the code, the packet written again, rate, frames, indices."""
    try:
        toc = Toc.from_packet(data)
        if toc.coded and toc.rate < len(CONFIG.ladder):
            return [CODED]
        indices = PacketCoder(CONFIG).decode(data)
    except FormatError:
        return [MALFORMED]
    return ["0", data.hex(), str(toc.rate), str(toc.frames), indices.tobytes().hex()]


def test_packets_are_pythons_and_hostile_bytes_do_no_harm(driver: Driver) -> None:
    rng = np.random.default_rng(6)
    coder = PacketCoder(CONFIG)
    good = [
        coder.encode(random_indices(rng, int(rng.integers(1, 17)), rate.index))
        for rate in CONFIG.ladder
        for _ in range(300)
    ]
    noise = [bytes([toc]) + rng.bytes(int(rng.integers(0, 160))) for toc in range(256)]
    data = [*good, *(damaged(rng, one) for one in good * 3), *noise, b""]
    for one, answer in zip(data, driver(("packet", (0, 0, 0), d) for d in data), strict=True):
        assert answer == packet_words(one), one.hex()


def test_the_vectors_hold_in_c(driver: Driver) -> None:
    vectors = json.loads((ROOT / "docs" / "vectors" / "packets.json").read_text())
    for vector in vectors["packets"]:
        data = bytes.fromhex(vector["packet"])
        indices = np.array(vector["indices"], np.uint8)
        rate, frames = str(vector["rate"]), str(len(indices))
        expected = ["0", data.hex(), rate, frames, indices.tobytes().hex()]
        assert driver([("packet", (0, 0, 0), data)]) == [[CODED] if vector["coded"] else expected]
    for refused in vectors["refused"]:
        ((code, *_),) = driver([("packet", (0, 0, 0), bytes.fromhex(refused["packet"]))])
        assert int(code) < 0, refused


def damaged(rng: np.random.Generator, data: bytes) -> bytes:
    """A byte changed, cut off, or more bytes added."""
    match int(rng.integers(0, 4)):
        case 0:
            return data[: int(rng.integers(0, len(data)))]
        case 1:
            return data + rng.bytes(int(rng.integers(1, 20)))
        case _:
            at = int(rng.integers(0, len(data)))
            return data[:at] + rng.bytes(1) + data[at + 1 :]


def audio_bodies(rng: np.random.Generator, count: int) -> list[bytes]:
    coder = PacketCoder(CONFIG)
    bodies = []
    for _ in range(count):
        rate = CONFIG.ladder[int(rng.integers(0, len(CONFIG.ladder)))]
        packet = coder.encode(random_indices(rng, int(rng.integers(1, 17)), rate.index))
        flags = int(rng.integers(0, 16))
        timestamp = rng.bytes(4) if flags & Flag.TIMESTAMP else b""
        bodies.append(bytes([flags]) + timestamp + packet)
    return bodies


def audio_words(data: bytes) -> list[str]:
    """What the driver must answer: the code, the body written again, and its parts."""
    try:
        body = AudioBody.from_bytes(data)
        if body.toc.coded and body.toc.rate < len(CONFIG.ladder):
            return [CODED]
        indices = PacketCoder(CONFIG).decode(body.packet)
    except (WireError, FormatError):
        return [MALFORMED]
    has_timestamp = body.timestamp is not None
    flags = (bool(body.flags & flag) for flag in (Flag.START, Flag.END, Flag.DTX))
    numbers = (*flags, has_timestamp, body.timestamp or 0, body.toc.rate, body.toc.frames)
    parts = body.flags & (Flag.RIDER | Flag.COPIES)
    again = "-" if parts else data.hex()
    more = [f"r{body.rider.hex()}", f"c{body.copies.hex()}", indices.tobytes().hex()]
    return ["0", again, *(str(int(n)) for n in numbers), *more]


def hellos(rng: np.random.Generator, count: int) -> list[bytes]:
    letters = "q2d24k-ñß語😀 "
    return [
        encode(
            Hello(
                role=Role(int(rng.integers(0, 2))),
                method=(method := Method(int(rng.integers(0, 2)))),
                share=rng.bytes(method.share_bytes),
                models=tuple(
                    ModelOffer(
                        model_id="".join(rng.choice(list(letters), int(rng.integers(1, 30)))),
                        model_hash=rng.bytes(8),
                        rates=tuple(sorted({int(r) for r in rng.integers(0, 7, 3)})),
                        tables=int(rng.integers(0, 2**32)),
                    )
                    for _ in range(int(rng.integers(1, 9)))
                ),
                frames_per_message=int(rng.integers(1, 17)),
                call_id=rng.bytes(16),
                nonce=rng.bytes(16),
                sequence=int(rng.integers(0, 2**32)),
                capabilities=Capability(int(rng.integers(0, 2**16))),
            )
        )
        for _ in range(count)
    ]


def hello_words(data: bytes) -> list[str]:
    try:
        message = decode(data)
        assert isinstance(message, Hello)
    except HandshakeError:
        return [OTHER_VERSION]
    except (WireError, AssertionError):
        return [MALFORMED]
    numbers = (message.role, message.method, message.capabilities, message.frames_per_message)
    words = [*(str(int(n)) for n in numbers), str(message.sequence)]
    words.append((message.call_id + message.nonce + message.share).hex())
    at = 48 + len(message.share) + 1
    for model in message.models:
        size = data[at + 13]
        name = data[at + 14 : at + 14 + size]  # as it came: the header leaves it to the caller
        assert printable(name.decode(), 64) == model.model_id
        words += [str(sum(1 << rate for rate in model.rates)), str(model.tables)]
        words.append((model.model_hash + name).hex())
        at += 14 + size
    return ["0", data[:at].hex(), *words]


@pytest.mark.parametrize("kind", ["audio", "hello"])
def test_messages_are_pythons_and_hostile_bytes_do_no_harm(driver: Driver, kind: str) -> None:
    rng = np.random.default_rng(4)
    make, words = (audio_bodies, audio_words) if kind == "audio" else (hellos, hello_words)
    good = make(rng, 800)
    noise = [good[0][:1] + rng.bytes(int(rng.integers(0, 200))) for _ in range(800)]
    data = [*good, *(damaged(rng, one) for one in good * 3), *noise, b"", bytes(2048)]
    answers = driver((kind, (0, 0, 0), one) for one in data)
    for one, answer in zip(data, answers, strict=True):
        assert answer == words(one), one.hex()
    assert all(answer[0] == "0" for answer in answers[: len(good)])
    assert sum(answer[0] != "0" for answer in answers[len(good) :]) > 800


def test_counters_of_sealed_messages_are_pythons(driver: Driver) -> None:
    rng = np.random.default_rng(9)
    salt, cases, expected = rng.bytes(12), [], []
    for _ in range(2000):
        high, low = int(rng.integers(0, 3)), int(rng.integers(0, 2**32))
        near = high << 32 | low if rng.random() < 0.8 else int(rng.integers(0, 20_000))
        data = rng.bytes(2)
        cases.append(("seal", (near >> 32, near & 0xFFFFFFFF, 0), salt + data))
        counter = unwrap(int.from_bytes(data, "big") % 2**COUNTER_BITS, near)
        if not is_sealed(data) or counter < 0:
            expected.append([MALFORMED])
            continue
        nonce = (int.from_bytes(salt, "big") ^ counter).to_bytes(12, "big").hex()
        expected.append(["0", str(int(Stream.of(data))), str(counter), nonce, data.hex()])
    assert driver(cases) == expected
    assert driver([("seal", (0, 0, 0), salt + b"\x80")]) == [[MALFORMED]]


def test_the_header_is_also_cpp(tmp_path: Path) -> None:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler on this machine")
    source = tmp_path / "use.cpp"
    source.write_text('#include "q2d2_wire.h"\nint main() { return q2d2_packed_bytes(0, 0); }\n')
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}", "-fsyntax-only"]
    done = subprocess.run([compiler, *flags, source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
