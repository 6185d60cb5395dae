"""The browser: Debian's Chromium, which ``make test-browser`` has fetched, or else one that is installed."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright

__all__ = ["launched"]

FETCHED = Path(__file__).parents[2] / ".services" / "chromium"
INSTALLED = ("chromium", "chromium-browser", "google-chrome")

ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",  # nothing but our own Airflow is opened, and root may not use it
)

_FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{fetched}/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{cache}</cachedir>
  <alias><family>sans-serif</family><prefer><family>Liberation Sans</family></prefer></alias>
  <alias><family>system-ui</family><prefer><family>Liberation Sans</family></prefer></alias>
  <alias><family>serif</family><prefer><family>Liberation Serif</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>Liberation Mono</family></prefer></alias>
</fontconfig>
"""


@contextmanager
def launched(playwright: Playwright, folder: Path) -> Iterator[Browser]:
    """Run the browser, without a window.

    :param playwright: what drives it.
    :param folder: an empty folder for what it leaves.
    :raises FileNotFoundError: there is none.
    """
    browser = playwright.chromium.launch(args=list(ARGUMENTS), **_program(folder))
    try:
        yield browser
    finally:
        browser.close()


def _program(folder: Path) -> dict[str, Any]:
    fetched = FETCHED / "usr" / "lib" / "chromium" / "chromium"
    if fetched.exists():
        return {"executable_path": str(fetched), "env": _environment(folder)}
    for name in INSTALLED:
        if found := shutil.which(name):
            return {"executable_path": found}
    raise FileNotFoundError(
        "there is no browser: run `make test-browser`, which fetches Chromium where Debian's packages are at hand, or "
        f"install one of {', '.join(INSTALLED)}"
    )


def _environment(folder: Path) -> dict[str, str]:
    """Let the fetched browser find the libraries and fonts that were fetched with it."""
    libraries = sorted({str(library.parent) for library in FETCHED.glob("**/*.so*")})
    fonts = folder / "fonts.conf"
    fonts.write_text(_FONTS.format(fetched=FETCHED, cache=folder / "fonts"), encoding="utf-8")
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries), "FONTCONFIG_FILE": str(fonts)}
