"""The machine's own chromium, driven by playwright; whoever has none of either sees these journeys skipped."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)


@asynccontextmanager
async def open_browser() -> AsyncIterator[Any]:
    """A browser; its contexts are people who know nothing of each other."""
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []  # which it does not have for root
    async with api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        await browser.close()
