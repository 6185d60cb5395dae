"""What a person or a program gets to see: tables on a terminal, plain text in a pipe, JSON on demand."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

__all__ = ["Screen", "printable"]

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


def printable(text: str) -> str:
    """Replace what would command a terminal; vendors' texts are not to be trusted with it."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


class Screen:
    """Where a command shows its result.

    :param output: standard output.
    """

    def __init__(self, output: TextIO) -> None:
        self.output = output
        self._is_terminal = output.isatty()
        self._writes_all_letters = (output.encoding or "utf-8").lower().replace("-", "") == "utf8"
        if isinstance(output, io.TextIOWrapper) and not self._writes_all_letters:
            output.reconfigure(errors="backslashreplace")

    def json(self, value: object) -> None:
        """Print a value as JSON."""
        self.line(self._as_json(value, indent=2))

    def json_line(self, value: object) -> None:
        """Print a value as JSON on one line."""
        self.line(self._as_json(value))

    def _as_json(self, value: object, indent: int | None = None) -> str:
        text = json.dumps(value, indent=indent, ensure_ascii=not self._writes_all_letters)
        return "".join(
            letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1] for letter in text
        )

    def line(self, text: str = "") -> None:
        """Print a line."""
        self.output.write(f"{printable(text)}\n")
        self.output.flush()

    def note(self, text: str) -> None:
        """Say something beside the result."""
        sys.stderr.write(f"{printable(text)}\n")

    def outcome(self, name: str, outcome: str, message: str) -> None:
        """Print one finding, as soon as there is one."""
        if not self._is_terminal:
            self.line(f"{name:<12} {outcome:<8} {message}")
            return
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=12)
        grid.add_column(width=8)
        grid.add_column(overflow="fold")
        grid.add_row(Text(name), Text(outcome, style=_STYLES.get(outcome, "")), Text(printable(message)))
        self._console().print(grid)

    def pairs(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Print names with their values."""
        if not self._is_terminal:
            self.line(title)
            width = max((len(name) for name, _ in rows), default=0)
            for name, value in rows:
                self.line(f"  {name:<{width}}  {value}")
            return
        self._table(title, (), rows)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print rows below the names of their columns."""
        if self._is_terminal:
            self._table(title, columns, rows)
            return
        self.line(title)
        widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
        for row in (columns, *rows):
            self.line(
                "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            )

    def _table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(printable(title)), title_justify="left", show_header=bool(columns))
        for column in columns or ("", ""):
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        self._console().print(table)

    def _console(self) -> Console:
        from rich.console import Console

        return Console(file=self.output)

    @contextlib.contextmanager
    def progress(self, title: str) -> Iterator[Callable[[int, int | None], None]]:
        """Show a bar while something is read; gives what is called with how many there are so far, and of how many.

        On a terminal only: it is drawn on standard error.
        """
        if not sys.stderr.isatty():
            yield lambda _done, _total: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns: Any = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
            task = bar.add_task(printable(title), total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
