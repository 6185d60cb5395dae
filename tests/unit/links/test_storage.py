from __future__ import annotations

import pytest

from airflow_provider_orders.links.storage import file_page, folder_page


@pytest.mark.parametrize(
    ("uri", "page"),
    [
        ("s3://lake/orders", "https://s3.console.aws.amazon.com/s3/buckets/lake?prefix=orders/"),
        ("s3://aws_default@lake/a/b/", "https://s3.console.aws.amazon.com/s3/buckets/lake?prefix=a/b/"),
        ("s3://lake", "https://s3.console.aws.amazon.com/s3/buckets/lake"),
        ("gs://gcp@lake/orders", "https://console.cloud.google.com/storage/browser/lake/orders"),
        ("gcs://lake", "https://console.cloud.google.com/storage/browser/lake"),
        (
            "s3://lake/date=2026-01-31/ä b",
            "https://s3.console.aws.amazon.com/s3/buckets/lake?prefix=date%3D2026-01-31/%C3%A4%20b/",
        ),
    ],
)
def test_folder_is_found_in_the_console_of_its_storage(uri: str, page: str) -> None:
    assert folder_page(uri) == page


@pytest.mark.parametrize(
    ("uri", "page"),
    [
        ("s3://c@lake/o/m.json", "https://s3.console.aws.amazon.com/s3/object/lake?prefix=o/m.json"),
        ("gs://lake/o/m.json", "https://console.cloud.google.com/storage/browser/_details/lake/o/m.json"),
    ],
)
def test_file_is_found_in_the_console_of_its_storage(uri: str, page: str) -> None:
    assert file_page(uri) == page


@pytest.mark.parametrize(
    "uri", ["", "/data/orders", "file:///data/orders", "abfs://azure@container/orders", "s3:///orders"]
)
def test_what_no_browser_opens_has_no_page(uri: str) -> None:
    assert folder_page(uri) is None
    assert file_page(uri) is None


def test_server_of_ones_own_has_no_known_console() -> None:
    assert folder_page("s3://lake/orders", endpoint="http://minio:9000") is None
