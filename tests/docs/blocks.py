"""The code blocks of the documents, and what to do with each."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGES", "ROOT", "Block", "blocks", "commands"]

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "CONTRIBUTING.md",
        ROOT / "README.md",
        ROOT / "SECURITY.md",
    ]
    if "_build" not in path.parts
)

_FENCE = re.compile(r"^```(\S*)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    :param page: the page it is on, as a path in the repository.
    :param language: what stands behind the fence; a directive of Sphinx is in braces.
    :param code: what is in it.
    """

    page: str
    language: str
    code: str

    def __str__(self) -> str:
        first = next((line for line in self.code.splitlines() if line.strip()), "")
        return f"{self.page}: {first.strip()[:60]}"


def blocks(*languages: str) -> list[Block]:
    """Give the blocks in one of the languages; without any, all."""
    return [
        Block(page, language, code)
        for page in PAGES
        for language, _, code in _FENCE.findall((ROOT / page).read_text(encoding="utf-8"))
        if not languages or language in languages
    ]


def commands(block: Block) -> list[list[str]]:
    """Split a block of shell into commands, without comments."""
    lines = block.code.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]
