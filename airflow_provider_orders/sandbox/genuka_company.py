"""The company behind every Genuka order of the sandbox: what each detail drags along, however large."""

from __future__ import annotations

from typing import Any

from airflow_provider_orders.sandbox.credentials import GENUKA_COMPANY_ID, GENUKA_EMAIL

__all__ = ["ACCOUNT_ID", "COMPANY", "SHOPS", "USER", "USER_ID", "treasury_account"]

ACCOUNT_ID = "01sandb0xacc0vnt0000000001"
USER_ID = "01sandb0xvser0000000000001"
_BORN = "2025-07-29T09:32:01.000000Z"
_CURRENCY = {"currency_code": "XAF", "currency_name": "FCFA"}
_ACTIONS = {
    "payments": "* view create update delete",
    "invoices": "* view create update delete",
    "returns": "* view create update delete approve",
    "orders": "* view create update delete export change_user",
    "products": "* view create update delete export cost",
    "customers": "* view create update delete addresses stats export",
    "collections": "* view create update delete",
    "deliveries": "* view create update delete",
    "stats": "* view",
    "discounts": "* view create update delete",
    "company": "* view",
    "shops": "* view",
    "warehouses": "* view",
    "users": "* view",
    "stocks": "* view create update delete",
    "shipping_fees": "*",
    "payment_methods": "*",
    "accounting": "* view export",
    "suppliers": "* view create update delete export stats",
    "expenses": "* view create update delete export",
    "treasury_accounts": "*",
    "taxes": "*",
    "transactions": "*",
    "website": "*",
    "blogs": "create update delete * view",
    "pages": "create update delete * view",
    "media_files": "*",
    "domains": "*",
    "webhooks": "* view create update delete test",
    "marketing": "*",
    "marketing.campaigns": "* view create update delete",
    "marketing.templates": "* view create update delete",
}


def _payment_method(number: int, name: str, configurations: Any) -> dict[str, Any]:
    """Describe a way to pay; PHP writes an object without keys as an empty list."""
    return {
        "account_id": None,
        "company_id": GENUKA_COMPANY_ID,
        "configurations": configurations,
        "id": f"01sandb0xpaymeth0d00000{number:03d}",
        "metadata": None,
        "name": name,
        "processor": name.lower(),
        "status": 1,
        "treasury_account_id": ACCOUNT_ID,
    }


def _shop(number: int, name: str) -> dict[str, Any]:
    """Describe a shop and its warehouse."""
    shop_id, warehouse_id = f"01sandb0xsh0p000000000{number:04d}", f"01sandb0xwareh0vse0000{number:04d}"
    warehouse = {
        "company_id": GENUKA_COMPANY_ID,
        "created_at": _BORN,
        "deleted_at": None,
        "description": "Entrepôt imaginaire.",
        "id": warehouse_id,
        "metadata": None,
        "name": f"{name} Warehouse",
        "pivot": {"metadata": None, "shop_id": shop_id, "warehouse_id": warehouse_id},
        "updated_at": _BORN,
    }
    return {
        "address": None,
        "company_id": GENUKA_COMPANY_ID,
        "created_at": _BORN,
        **_CURRENCY,
        "deleted_at": None,
        "description": "Une boutique qui n'existe pas.",
        "domains": [],
        "id": shop_id,
        "logo": None,
        "logoUrl": "",
        "metadata": None,
        "name": name,
        "slug": name.lower().replace(" ", "-"),
        "updated_at": _BORN,
        "warehouses": [warehouse],
    }


def treasury_account() -> dict[str, Any]:
    """Describe the account that payments go to."""
    return {
        "accounting_account_code": "52",
        "balance": -551433,
        "company_id": GENUKA_COMPANY_ID,
        "created_at": _BORN,
        "id": ACCOUNT_ID,
        "label": "Bank",
        "logoUrl": None,
        "medias": [],
        "metadata": {"connected_api": False, **_CURRENCY, "notification": False},
        "shop": None,
        "shop_id": None,
        "type": "bank",
        "updated_at": _BORN,
    }


SHOPS = (_shop(1, "Boutique Akwa"), _shop(2, "Comptoir Exemple"))

COMPANY: dict[str, Any] = {
    "address": None,
    "company_code": None,
    "created_at": _BORN,
    **_CURRENCY,
    "description": None,
    "handle": "sandbox-company",
    "id": GENUKA_COMPANY_ID,
    "logoUrl": None,
    "medias": [],
    "metadata": {
        "payment_terms": {"accepted_at": "2025-07-30T08:57:08.517Z", "accepted_by": "Sandra Exemple "}
    },
    "name": "Sandbox Company",
    "onboarding": {
        "company_id": GENUKA_COMPANY_ID,
        "created_at": _BORN,
        "finished_at": _BORN,
        "id": 1,
        "metadata": [],
        "started_at": _BORN,
        "step": "source",
        "updated_at": _BORN,
    },
    "paymentMethods": [
        _payment_method(1, "Cash", []),
        _payment_method(2, "PawaPay", {"api_token": "*" * 32}),
        _payment_method(3, "NotchPay", []),
    ],
    "type": "business",
    "updated_at": _BORN,
    "variables": None,
}

USER: dict[str, Any] = {
    "allPermissions": [
        "*",
        *(f"{resource}.{action}" for resource, actions in _ACTIONS.items() for action in actions.split()),
    ],
    "birthdate": None,
    "company_id": GENUKA_COMPANY_ID,
    "created_at": _BORN,
    "deleted_at": None,
    "email": GENUKA_EMAIL,
    "first_name": "Sandra",
    "id": USER_ID,
    "last_activity": "2025-10-10 11:22:28",
    "last_name": "Exemple",
    "phone": "+237 000 00 00 01",
    "pin_enabled": False,
    "role": "admin",
    "shops": [],
    "updated_at": "2025-10-10T11:22:28.000000Z",
}
