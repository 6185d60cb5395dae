"""What an export asks of its folder, which may hold the files of years."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_orders.export.sinks.folder import Listing
from tests.unit.export.series import Series

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from airflow_provider_orders.sandbox import Sandbox


def test_each_export_lists_the_folder_when_it_begins_and_when_it_ends(
    orders_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iterdir = Path.iterdir
    listed: list[Path] = []

    def noted(folder: Path) -> Iterator[Path]:
        listed.append(folder)
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", noted)
    series = Series(orders_sandbox, "genuka", tmp_path)
    for _ in range(2):
        listed.clear()
        series.export()
        assert listed == [tmp_path] * 2


def test_listing_gives_names_in_order_and_forgets_what_was_removed(tmp_path: Path) -> None:
    for name in ("b-2.json", "b-1.json", "a-1.json", "b-1.txt"):
        (tmp_path / name).touch()
    listing = Listing(tmp_path)

    first, _ = listing.having("b-", ".json")
    listing.remove(first)

    assert first.name == "b-1.json"
    assert [path.name for path in listing.having("b-")] == ["b-1.txt", "b-2.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1.json", "b-1.txt", "b-2.json"]
