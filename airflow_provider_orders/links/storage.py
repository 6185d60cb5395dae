"""Where a person finds files of an object storage: the pages of its console."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["file_page", "folder_page"]


def folder_page(uri: str, *, endpoint: str | None = None) -> str | None:
    """Give the page of a folder.

    :param uri: its URL; an id of a connection in it is left out.
    :param endpoint: address of the storage's own server, None for the usual one.
    :return: None where there is no page that a browser opens: for local files, and for storages whose console cannot be
        found from the URL alone.
    """
    return _page(uri, _FOLDERS, endpoint)


def file_page(uri: str, *, endpoint: str | None = None) -> str | None:
    """Do the same for one file."""
    return _page(uri, _FILES, endpoint)


def _page(uri: str, pages: Mapping[str, Callable[[str, str], str]], endpoint: str | None) -> str | None:
    parts = urlsplit(uri)
    page = pages.get(parts.scheme)
    bucket, path = parts.netloc.rpartition("@")[2], parts.path.strip("/")
    # A server of one's own, such as MinIO, speaks the same protocol; its console is elsewhere.
    if page is None or not bucket or endpoint:
        return None
    return page(quote(bucket), quote(path))


def _s3_folder(bucket: str, path: str) -> str:
    prefix = f"?prefix={path}/" if path else ""
    return f"https://s3.console.aws.amazon.com/s3/buckets/{bucket}{prefix}"


def _s3_file(bucket: str, path: str) -> str:
    return f"https://s3.console.aws.amazon.com/s3/object/{bucket}?prefix={path}"


def _gcs_folder(bucket: str, path: str) -> str:
    return f"https://console.cloud.google.com/storage/browser/{bucket}/{path}".rstrip("/")


def _gcs_file(bucket: str, path: str) -> str:
    return f"https://console.cloud.google.com/storage/browser/_details/{bucket}/{path}"


_FOLDERS = {"s3": _s3_folder, "s3a": _s3_folder, "s3n": _s3_folder, "gs": _gcs_folder, "gcs": _gcs_folder}
_FILES = {"s3": _s3_file, "s3a": _s3_file, "s3n": _s3_file, "gs": _gcs_file, "gcs": _gcs_file}
