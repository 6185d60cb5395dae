from __future__ import annotations

import pytest

from airflow_provider_orders.cli.target import Target
from airflow_provider_orders.errors import ConfigurationError


@pytest.mark.parametrize(
    ("output", "file_format", "compression", "content", "target"),
    [
        ("orders.jsonl", None, None, None, Target(".", "orders", "jsonl", None, "raw")),
        ("/orders.jsonl", None, "none", "vendor", Target("/", "orders", "jsonl", None, "vendor")),
        ("out/orders.jsonl.gz", None, "gzip", None, Target("out", "orders", "jsonl", "gzip", "raw")),
        (
            "s3://c@b/x/o.parquet",
            None,
            "zstd",
            None,
            Target("s3://c@b/x", "o", "parquet", "zstd", "canonical"),
        ),
        ("out", None, None, None, Target("out", None, "jsonl", None, "raw")),
        ("out", None, "gzip", None, Target("out", None, "jsonl", "gzip", "raw")),
        ("out/", "parquet", None, "canonical", Target("out/", None, "parquet", None, "canonical")),
        ("out/.jsonl", None, None, None, Target("out/.jsonl", None, "jsonl", None, "raw")),
        ("out.csv/", None, None, None, Target("out.csv/", None, "jsonl", None, "raw")),
    ],
)
def test_a_path_is_a_file_or_a_folder(
    output: str, file_format: str | None, compression: str | None, content: str | None, target: Target
) -> None:
    assert Target.of(output, file_format, compression, content) == target


@pytest.mark.parametrize(
    ("output", "file_format", "compression", "content"),
    [
        ("orders.jsonl", "parquet", None, None),
        ("orders.parquet", "jsonl", None, None),
        ("orders.jsonl", None, "gzip", None),
        ("orders.jsonl.gz", None, "none", None),
        ("out", "jsonl", "snappy", None),
        ("out", "parquet", "none", None),
        ("orders.parquet", None, None, "raw"),
    ],
)
def test_a_path_and_options_that_disagree_are_refused(
    output: str, file_format: str | None, compression: str | None, content: str | None
) -> None:
    with pytest.raises(ConfigurationError, match="does not go with"):
        Target.of(output, file_format, compression, content)
