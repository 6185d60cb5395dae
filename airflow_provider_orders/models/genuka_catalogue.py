"""What is sold, inside a Genuka order: lines, products and variants.

Fields are those of the example on the order page, and of the vendor's other pages where that one shows
none. Where it shows null and says "unknown", the type is the likely one (an id or a date is text) or ``Json``.
"""

from __future__ import annotations

from typing import Annotated

from airflow_provider_orders.models.payload import PHP_EMPTY, FreeObject, Json, Money, Payload

__all__ = [
    "GenukaLineMetadata",
    "GenukaOrderProduct",
    "GenukaProduct",
    "GenukaStockWarehouse",
    "GenukaVariant",
]


class GenukaStockWarehouse(Payload):
    """From which batch of a warehouse a line is taken; its dates are ``Y-m-d H:i:s``, without a zone."""

    batch_number: str | None = None
    expiration_date: str | None = None
    production_date: str | None = None
    quantity: Money = None
    stock_warehouse_id: str | None = None


class GenukaLineMetadata(Payload):
    """What a line's article was called when it was ordered."""

    cost_at_date: Money = None
    item_title: str | None = None
    product_media: str | None = None
    product_title: str | None = None
    stock_warehouse_to_remove: list[GenukaStockWarehouse] | None = None
    taxes: list[Json] | None = None
    variant_image: str | None = None
    variant_sku: str | None = None
    variant_title: str | None = None


class GenukaVariant(Payload):
    """The variant of a product that was ordered."""

    barcode: str | None = None
    base_title: str | None = None
    compare_at_price: Money = None
    composite_stocks: list[Json] | None = None
    created_at: str | None = None
    deleted_at: str | None = None
    estimated_quantity: Money = None
    estimated_quantity_by_warehouse: Annotated[dict[str, Money] | None, PHP_EMPTY] = None
    follow_stock: int | None = None
    id: str | None = None
    image_id: str | None = None
    metadata: FreeObject = None
    min_order_quantity: Money = None
    options: list[Json] | None = None
    position: int | None = None
    price: Money = None
    product_id: str | None = None
    sku: str | None = None
    supplierproduct: Json = None
    taxable: int | None = None
    title: str | None = None
    updated_at: str | None = None
    whatsapp_product_id: str | None = None


class GenukaOrderProduct(Payload):
    """A line of an order; the same inside a product as its ``pivot``, there with the variant."""

    created_at: str | None = None
    id: int | None = None
    metadata: Annotated[GenukaLineMetadata | None, PHP_EMPTY] = None
    order_id: str | None = None
    price: Money = None
    product_id: str | None = None
    quantity: Money = None
    service_id: str | None = None
    status: str | None = None
    updated_at: str | None = None
    variant: Annotated[GenukaVariant | None, PHP_EMPTY] = None
    variant_id: str | None = None


class GenukaProduct(Payload):
    """A product of the catalogue, with the order's line as ``pivot``; flags are 0 or 1."""

    company_id: str | None = None
    content: str | None = None
    created_at: str | None = None
    deleted_at: str | None = None
    discounts: list[Json] | None = None
    handle: str | None = None
    id: str | None = None
    is_shippable: int | None = None
    is_taxable: int | None = None
    medias: list[Json] | None = None
    metadata: FreeObject = None
    pivot: Annotated[GenukaOrderProduct | None, PHP_EMPTY] = None
    professionals: list[Json] | None = None
    published: int | None = None
    service: Json = None
    supplier_id: str | None = None
    tags: list[Json] | None = None
    taxes: list[Json] | None = None
    title: str | None = None
    type: str | None = None
    updated_at: str | None = None
    vendor: Json = None
