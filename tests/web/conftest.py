"""What the tests in a real browser share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.labs.browser import launch, microphone_file, require_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Playwright

CLIP_S = 7.0


# Of a module each: while a driver is there, asyncio.run() does not work in this thread.
@pytest.fixture(scope="module", name="driver")
def make_driver() -> Iterator[Playwright]:
    """What starts browsers; skips the test where there are none."""
    require_page()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module", name="folder")
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the microphone's file lies, and what is heard."""
    return tmp_path_factory.mktemp("sound")


@pytest.fixture(scope="module", name="said")
def make_said(folder: Path) -> NDArray[np.float32]:
    """What the microphone says: ``microphone.wav`` for a browser, ``said.wav`` for a command."""
    return microphone_file(folder, CLIP_S)


@pytest.fixture(scope="module", name="browser")
def make_browser(driver: Playwright, folder: Path, said: NDArray[np.float32]) -> Iterator[Browser]:
    """A browser whose microphone plays the file."""
    with launch(driver, folder / "microphone.wav") as browser:
        yield browser


@pytest.fixture(name="context")
def make_context(browser: Browser) -> Iterator[BrowserContext]:
    """Someone's own browser window."""
    context = browser.new_context(viewport={"width": 700, "height": 800}, locale="en-GB")
    yield context
    context.close()
