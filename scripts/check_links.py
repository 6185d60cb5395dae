# ruff: noqa: INP001 - scripts are run one by one, they are no package
"""Check the links of a built site, without a network: ``scripts/check_links.py docs/_build/html``.

A link within the site has to lead to a page and to a place on it. A link into this project's repository has to lead to
a file of the checkout. Any other has to be https.
"""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://github.com/airflow-provider-orders/airflow-provider-orders"
_LOCAL_HOSTS = {"127.0.0.1", "localhost"}


class _Page(HTMLParser):
    """Collects the links of a page and the places that links may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name == "id":
                self.places.add(value)
            if value and name in {"href", "src"}:
                self.links.append(value)


@cache
def read(page: Path) -> _Page:
    """Read a page, once."""
    return _Page(page.read_text(encoding="utf-8"))


def problem(link: str, page: Path, site: Path) -> str | None:
    """Say what is wrong with a link; None where nothing is."""
    parts = urlsplit(link)
    if parts.scheme in {"data", "mailto"}:
        return None
    if parts.scheme or parts.netloc:
        return _outside(link)
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(site) or not target.is_file():
        return "leads to no page"
    if parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in read(target).places:
        return "leads to no place on the page"
    return None


def _outside(link: str) -> str | None:
    parts = urlsplit(link)
    if parts.scheme != "https" and parts.hostname not in _LOCAL_HOSTS:
        return "is not https"
    for kind in ("blob", "tree", "edit"):
        prefix = f"{REPOSITORY}/{kind}/main/"
        if link.startswith(prefix):
            path = unquote(urlsplit(link.removeprefix(prefix)).path)
            return None if (ROOT / path).exists() else "leads to no file of the repository"
    return None


def check(site: Path) -> list[str]:
    """Give the links of a site that lead nowhere."""
    site = site.resolve()
    return [
        f"{page.relative_to(site)}: {link} {wrong}"
        for page in sorted(site.rglob("*.html"))
        for link in sorted(set(read(page).links))
        if (wrong := problem(link, page, site))
    ]


def main(folder: str) -> int:
    """Check a site and say what was found."""
    pages = len(list(Path(folder).rglob("*.html")))
    found = check(Path(folder))
    for line in found:
        print(line, file=sys.stderr)  # noqa: T201 - a script
    print(f"{pages} pages, {len(found)} links lead nowhere")  # noqa: T201
    return 1 if found or not pages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
