"""Whole folders: the same tree, what is done stays done, and one bad file costs itself."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from q2d2_stream.cli.main import main
from q2d2_stream.errors import InputError
from q2d2_stream.files.batch import BatchSettings, Job, JobResult, find_jobs, is_done, run_jobs
from q2d2_stream.files.tokens import Tokens
from tests.labs.call import codec, speech_file

ENCODE = BatchSettings("encode", "q2d2", bitrate="3")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three good files and what else lies around."""
    codec()
    folder = tmp_path / "corpus"
    (folder / "deep" / "er").mkdir(parents=True)
    speech_file(folder / "one.wav", 0.5)
    speech_file(folder / "deep" / "two.wav", 0.3)
    speech_file(folder / "deep" / "er" / "no_ending.wav", 0.2)
    (folder / "deep" / "er" / "no_ending.wav").rename(folder / "deep" / "er" / "no_ending")
    (folder / "deep" / "bad.wav").write_bytes(b"this is no sound")
    (folder / "readme.txt").write_text("nor is this")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


CODED = ["deep/er/no_ending.q2d2", "deep/two.q2d2", "one.q2d2"]


@pytest.mark.slow
def test_a_tree_is_encoded_and_decoded(
    corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    coded, back = tmp_path / "coded", tmp_path / "back"
    assert main(["encode", str(corpus), str(coded), "--jobs", "2"]) == 1
    errors = capfd.readouterr().err
    assert f"q2d2 encode: {corpus}/deep/bad.wav cannot be read as sound" in errors
    assert "3 files" in errors
    assert "1 failed" in errors
    assert names(coded) == CODED
    before = {path: path.stat().st_mtime_ns for path in coded.rglob("*.q2d2")}
    assert main(["encode", str(corpus), str(coded), "--jobs", "1"]) == 1
    assert "3 done before" in capfd.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in coded.rglob("*.q2d2")} == before
    assert main(["decode", "-q", str(coded), str(back), "--format", "flac", "--jobs", "1"]) == 0
    assert names(back) == [name.replace("q2d2", "flac") for name in CODED]
    assert soundfile.info(back / "one.flac").frames == 12_000


def test_what_is_not_whole_or_not_the_same_is_done_again(corpus: Path, tmp_path: Path) -> None:
    jobs = find_jobs(corpus, tmp_path / "coded", ENCODE)
    (job,) = [job for job in jobs if job.name == "one.wav"]
    assert [result.error for result in run_jobs([job], ENCODE, 1)] == [None]
    assert is_done(job, ENCODE)
    assert not is_done(job, BatchSettings("encode", "q2d2", bitrate="6"))
    whole = job.target.read_bytes()
    for damaged in (whole[:-1], whole[:100] + b"\0" + whole[101:], b""):
        job.target.write_bytes(damaged)
        assert not is_done(job, ENCODE)
    job.target.write_bytes(whole)
    os.utime(job.source, (time.time() + 60, time.time() + 60))
    assert not is_done(job, ENCODE)


def test_tokens_say_whose_they_are(corpus: Path, tmp_path: Path) -> None:
    settings = BatchSettings("encode", "npz", bitrate="1.5")
    (job,) = [j for j in find_jobs(corpus, tmp_path / "t", settings) if j.name == "one.wav"]
    (result,) = run_jobs([job], settings, 1)
    assert result == JobResult("one.wav", job.size, 0.5, result.cpu_s)
    assert is_done(job, settings)
    with np.load(job.target, allow_pickle=False) as file:
        assert file["indices"].dtype == np.uint8
        assert file["indices"].shape == (39, 3)
        assert (file["indices"] < file["codebook_sizes"]).all()
        assert str(file["bitrate"]) == "1.5"
        assert str(file["model_id"]) == codec().model_id
    tokens = Tokens.from_bytes(job.target.read_bytes())
    assert tokens.samples == 12_000
    back = BatchSettings("decode", "wav")
    (again,) = find_jobs(tmp_path / "t", tmp_path / "back", back)
    assert [result.error for result in run_jobs([again], back, 1)] == [None]
    assert is_done(again, back)
    assert soundfile.info(again.target).frames == 12_000


def test_names_that_would_meet_keep_their_endings(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac", "b.wav"):
        (tmp_path / name).write_bytes(b"")
    jobs = find_jobs(tmp_path, tmp_path / "out", ENCODE)
    assert [job.target.name for job in jobs] == ["a.flac.q2d2", "a.wav.q2d2", "b.q2d2"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "c.wav").write_bytes(b"")  # the output below the input is left out
    assert [job.name for job in find_jobs(tmp_path, tmp_path / "out", ENCODE)] == [
        "a.flac",
        "a.wav",
        "b.wav",
    ]


def test_options_of_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_bytes(b"")
    folder, file = str(tmp_path), str(tmp_path / "file")
    for command in (
        ["encode", file, "x.q2d2", "--jobs", "2"],
        ["decode", file, "x.wav", "--ray", "auto"],
        ["encode", folder, file],
        ["encode", folder, "-"],
        ["encode", folder, "out", "--jobs", "0"],
        ["encode", folder, "out", "--format", "wav"],
        ["decode", folder, "out", "--format", "npz"],
    ):
        assert main(command) == 1
        assert "expected" in capsys.readouterr().err
    with pytest.raises(InputError, match="no folder"):
        find_jobs(tmp_path / "file", tmp_path, ENCODE)


@pytest.mark.slow
def test_a_process_that_dies_costs_its_file(tmp_path: Path) -> None:
    codec()
    fifo = tmp_path / "never.wav"
    os.mkfifo(fifo)  # the process waits there to be killed
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.2):
            for process in multiprocessing.active_children():
                process.kill()

    threading.Thread(target=kill, daemon=True).start()
    try:
        job = Job("never.wav", fifo, tmp_path / "never.q2d2", 1)
        (result,) = run_jobs([job], ENCODE, 1)
    finally:
        over.set()
    assert result.error == "the process that worked on it died"
    assert names(tmp_path) == []


@pytest.mark.slow
def test_a_ray_cluster_of_two_nodes_does_the_same(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    from ray.cluster_utils import Cluster

    from q2d2_stream.files.ray_batch import run_jobs_on_ray

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    memory: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster: Any = Cluster(
        initialize_head=True, head_node_args={**memory, "include_dashboard": False}
    )
    try:
        cluster.add_node(**memory)
        jobs = find_jobs(corpus, tmp_path / "ray", ENCODE)
        results = {r.name: r for r in run_jobs_on_ray(jobs, ENCODE, cluster.address)}
        again = list(run_jobs_on_ray(jobs, ENCODE, cluster.address))
    finally:
        cluster.shutdown()
    assert names(tmp_path / "ray") == CODED
    failed = [name for name, result in results.items() if result.error is not None]
    assert failed == ["deep/bad.wav"]
    assert "deep/bad.wav cannot be read as sound" in str(results["deep/bad.wav"].error)
    assert results["one.wav"].seconds == 0.5
    assert sum(result.skipped for result in again) == 3
    here = list(run_jobs(find_jobs(corpus, tmp_path / "here", ENCODE), ENCODE, 1))
    assert sum(result.error is None for result in here) == 3
    for name in CODED:
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
