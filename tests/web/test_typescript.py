"""The browser client's own checks: types, and vitest against vectors that Python wrote."""

from __future__ import annotations

import json

import pytest

from tests.labs.npm import WEB, install, npm

pytestmark = [pytest.mark.slow, pytest.mark.net]


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    install()


@pytest.mark.parametrize("script", ["types", "test"])
def test_checks_pass(script: str) -> None:
    done = npm("run", script)
    assert done.returncode == 0, done.stdout


def test_the_lock_names_no_registry_and_is_current() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    wanted = json.loads((WEB / "package.json").read_text())
    root = lock["packages"][""]
    for kind in ("dependencies", "devDependencies"):
        assert root[kind] == wanted[kind]
        assert all(version[0].isdigit() for version in wanted[kind].values()), "pin exactly"
