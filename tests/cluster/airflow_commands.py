"""Runs several ``airflow`` commands in one process, because to import Airflow takes longer than most of them.

They are read from standard input, as a JSON list of lists of arguments.
"""

from __future__ import annotations

import json
import sys

from airflow.__main__ import main

for arguments in json.load(sys.stdin):
    sys.argv = ["airflow", *arguments]
    main()  # type: ignore[no-untyped-call]
