"""What catalogues are told of the columns: all of them, as the files and tables have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_orders.export.columns import Column, columns_of, table_columns
from airflow_provider_orders.export.sinks.arrow import SCHEMA
from airflow_provider_orders.export.sinks.sql.tables import ORDER_COLUMNS
from airflow_provider_orders.models.dipli import DipliOrder
from airflow_provider_orders.models.genuka import GenukaOrder
from airflow_provider_orders.models.order import Order
from airflow_provider_orders.models.popsell import PopsellOrder
from airflow_provider_orders.models.valomnia import ValomniaOrder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

TYPES = {
    "string": "string",
    "decimal": "decimal128(38, 9)",
    "timestamp": "timestamp[us, tz=UTC]",
    "boolean": "bool",
    "integer": "int64",
}


def flat(columns: tuple[Column, ...]) -> Iterator[Column]:
    for column in columns:
        yield column
        yield from flat(column.columns)


def test_canonical_order_has_the_columns_of_its_parquet_file() -> None:
    columns = columns_of(Order)

    assert [column.name for column in columns] == SCHEMA.names
    for column in columns:
        stored = SCHEMA.field(column.name).type
        if column.type == "struct":
            assert [inside.name for inside in column.columns] == [field.name for field in stored]
        elif column.type == "array":
            assert [inside.name for inside in column.columns] == [field.name for field in stored.value_type]
        else:
            assert str(stored) == TYPES[column.type]


@pytest.mark.parametrize("model", [DipliOrder, GenukaOrder, PopsellOrder, ValomniaOrder])
def test_payload_of_a_vendor_has_the_columns_that_it_documents(model: type[BaseModel]) -> None:
    columns = columns_of(model)

    assert [column.name for column in columns] == list(model.model_fields)
    assert {column.type for column in flat(columns)} <= {*TYPES, "number", "struct", "array", "json"}
    assert "array" in {column.type for column in columns}


def test_table_has_the_owner_and_the_columns_of_an_order() -> None:
    columns = {column.name: column.type for column in table_columns()}

    assert list(columns) == ["source", "account", *(name for name, _ in ORDER_COLUMNS)]
    assert [columns[name] for name in ("id", "total", "created_at", "deleted", "line_count")] == [
        "string",
        "decimal",
        "timestamp",
        "boolean",
        "integer",
    ]
