"""The command line as tests see it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

PROGRAM = Path(sys.executable).with_name("airflow-orders")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


CommandLine: TypeAlias = Callable[..., Done]
"""``cli("check", conn_id)`` runs a command in this process."""


def run(*command: str, cwd: Path | None = None) -> Done:
    """Run a program of its own."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=cwd)
    return Done(done.returncode, done.stdout, done.stderr)
