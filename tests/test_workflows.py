"""What the workflows and hooks run is there."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import Any

import pytest
import yaml

from tests.labs.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps_of(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    """All steps of all jobs."""
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_commands_of_a_workflow_exist(path: Any) -> None:
    text = path.read_text()
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    steps = steps_of(yaml.safe_load(text))
    commands = [step["run"] for step in steps if "run" in step]
    assert commands
    assert set(re.findall(r"make (\w+)", "\n".join(commands))) <= targets
    for program in re.findall(r"(?:tools|\.ci)/[\w.]+", text):
        assert (ROOT / program).exists(), program
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@[\w./]+", s["uses"]) for s in steps if "uses" in s)


def test_ci_tests_the_versions_of_python_that_are_supported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [c.rsplit(" ", 1)[1] for c in project["classifiers"] if "Python :: 3." in c]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == named


def test_hooks_check_what_make_lint_checks() -> None:
    plan = subprocess.run(
        ["make", "--dry-run", "--assume-old=.venv/.dev", "lint", "VENV=.venv"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    linted = re.findall(r"^\.venv/bin/(ruff \w+|[\w-]+)", plan, re.MULTILINE)
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    entries = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]
    hooked = [re.findall(r"^\.venv/bin/(ruff \w+|[\w-]+)", entry)[0] for entry in entries]
    assert hooked == [command for command in linted if not command.startswith("pip")]
