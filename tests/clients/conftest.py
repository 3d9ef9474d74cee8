"""The browser of tests/browser, here too."""

from browser.conftest import chromium

__all__ = ["chromium"]
