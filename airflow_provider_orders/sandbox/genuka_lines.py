"""What the lines of Genuka's orders look like, and the products they sell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_orders.sandbox.credentials import GENUKA_COMPANY_ID
from airflow_provider_orders.sandbox.genuka_company import SHOPS
from airflow_provider_orders.sandbox.genuka_goods import GOODS

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox.genuka_payloads import GenukaOrder

__all__ = ["order_lines"]


def _product_ids(place: int) -> tuple[str, str]:
    """Name a product and its only variant."""
    return f"01sandb0xpr0dvct000000{place:04d}", f"01sandb0xvar1ant000000{place:04d}"


def _pivot(order: GenukaOrder, nth: int) -> dict[str, Any]:
    """Render one line, without its dates."""
    place, quantity = order.lines[nth]
    good = GOODS[place]
    product_id, variant_id = _product_ids(place)
    batch = {
        "batch_number": f"batch_{place:06d}",
        "expiration_date": "2026-01-29 09:32:37",
        "production_date": "2025-06-29 09:32:37",
        "quantity": quantity,
        "stock_warehouse_id": str(149 + place),
    }
    return {
        "id": 2001 + order.index * 5 + nth,
        "metadata": {
            "cost_at_date": None,
            "item_title": good.title.capitalize(),
            "product_media": "",
            "product_title": good.title,
            "stock_warehouse_to_remove": [batch],
            "taxes": [],
            "variant_image": None,
            "variant_sku": good.sku,
            "variant_title": "Default Title",
        },
        "order_id": order.id,
        "price": order.amount(good.price),
        "product_id": product_id,
        "quantity": quantity,
        "service_id": None,
        "variant_id": variant_id,
    }


def _product(order: GenukaOrder, nth: int) -> dict[str, Any]:
    """Render a product of the catalogue, with its line as ``pivot``."""
    place = order.lines[nth][0]
    good, (product_id, variant_id) = GOODS[place], _product_ids(place)
    born = "2025-07-29T09:32:36.000000Z"
    warehouses = {warehouse["id"]: 27 + place for shop in SHOPS for warehouse in shop["warehouses"]}
    variant = {
        "barcode": f"{2_190_000_000_000 + place}",
        "base_title": "Default Title",
        "compare_at_price": None,
        "composite_stocks": [],
        "created_at": born,
        "deleted_at": None,
        "estimated_quantity": sum(warehouses.values()),
        "estimated_quantity_by_warehouse": warehouses,
        "follow_stock": 1,
        "id": variant_id,
        "image_id": None,
        "metadata": None,
        "min_order_quantity": 1,
        "options": [0],
        "position": 0,
        "price": order.amount(good.price),
        "product_id": product_id,
        "sku": good.sku,
        "supplierproduct": None,
        "taxable": 1,
        "title": "Default Title",
        "updated_at": born,
        "whatsapp_product_id": None,
    }
    return {
        "company_id": GENUKA_COMPANY_ID,
        "content": good.words,
        "created_at": born,
        "deleted_at": None,
        "discounts": [],
        "handle": f"product-{place}",
        "id": product_id,
        "is_shippable": 1,
        "is_taxable": 1,
        "medias": [],
        "metadata": None,
        "pivot": {**_pivot(order, nth), "variant": variant},
        "professionals": [],
        "published": 1,
        "service": None,
        "supplier_id": None,
        "tags": [],
        "taxes": [],
        "title": good.title,
        "type": "physical_goods",
        "updated_at": born,
        "vendor": None,
    }


def order_lines(order: GenukaOrder) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Render the lines of an order, and the products they sell.

    :param order: the order.
    :return: ``order_products`` and ``products``.
    """
    numbers = range(len(order.lines))
    lines = [{"created_at": None, **_pivot(order, nth), "updated_at": None} for nth in numbers]
    return lines, [_product(order, nth) for nth in numbers]
