"""Who sells, inside a Genuka order: company, shop, employee, and where the money goes.

Fields are those of the example on the order page, and of the vendor's other pages where that one shows
none. Where it shows null and says "unknown", the type is the likely one (an id or a date is text) or ``Json``.
"""

# ruff: noqa: N815 - fields keep the vendor's names

from __future__ import annotations

from typing import Annotated

from airflow_provider_orders.models.payload import (
    PERSONAL,
    PHP_EMPTY,
    FreeObject,
    Json,
    Money,
    Payload,
    PersonalText,
)

__all__ = [
    "GenukaCompany",
    "GenukaCompanyMetadata",
    "GenukaOnboarding",
    "GenukaPaymentMethod",
    "GenukaPaymentTerms",
    "GenukaShop",
    "GenukaTreasuryAccount",
    "GenukaTreasuryMetadata",
    "GenukaUser",
    "GenukaUserMetadata",
    "GenukaWarehouse",
    "GenukaWarehousePivot",
]


class GenukaTreasuryMetadata(Payload):
    """About a treasury account."""

    connected_api: bool | None = None
    currency_code: str | None = None
    currency_name: str | None = None
    notification: bool | None = None


class GenukaTreasuryAccount(Payload):
    """Where the money of an order goes."""

    accounting_account_code: str | None = None
    balance: Money = None
    company_id: str | None = None
    created_at: str | None = None
    id: str | None = None
    label: str | None = None
    logoUrl: str | None = None
    medias: list[Json] | None = None
    metadata: Annotated[GenukaTreasuryMetadata | None, PHP_EMPTY] = None
    shop: Json = None
    shop_id: str | None = None
    type: str | None = None
    updated_at: str | None = None


class GenukaPaymentTerms(Payload):
    """Who accepted the terms of payment."""

    accepted_at: str | None = None
    accepted_by: PersonalText = None


class GenukaCompanyMetadata(Payload):
    """About a company."""

    payment_terms: Annotated[GenukaPaymentTerms | None, PHP_EMPTY] = None


class GenukaOnboarding(Payload):
    """How far a company is set up."""

    company_id: str | None = None
    created_at: str | None = None
    finished_at: str | None = None
    id: int | None = None
    metadata: FreeObject = None
    started_at: str | None = None
    step: str | None = None
    updated_at: str | None = None


class GenukaPaymentMethod(Payload):
    """A way to pay that a company offers; ``configurations`` holds secrets, which the vendor stars out."""

    account_id: str | None = None
    company_id: str | None = None
    configurations: FreeObject = None
    id: str | None = None
    metadata: FreeObject = None
    name: str | None = None
    processor: str | None = None
    status: int | None = None
    treasury_account_id: str | None = None


class GenukaCompany(Payload):
    """The company that sells."""

    address: Annotated[Json, PERSONAL] = None
    company_code: str | None = None
    created_at: str | None = None
    currency_code: str | None = None
    currency_name: str | None = None
    description: str | None = None
    handle: str | None = None
    id: str | None = None
    logoUrl: str | None = None
    medias: list[Json] | None = None
    metadata: Annotated[GenukaCompanyMetadata | None, PHP_EMPTY] = None
    name: str | None = None
    onboarding: Annotated[GenukaOnboarding | None, PHP_EMPTY] = None
    paymentMethods: list[GenukaPaymentMethod] | None = None
    type: str | None = None
    updated_at: str | None = None
    variables: Json = None


class GenukaWarehousePivot(Payload):
    """Which shop a warehouse serves."""

    metadata: FreeObject = None
    shop_id: str | None = None
    warehouse_id: str | None = None


class GenukaWarehouse(Payload):
    """A warehouse of a shop."""

    company_id: str | None = None
    created_at: str | None = None
    deleted_at: str | None = None
    description: str | None = None
    id: str | None = None
    metadata: FreeObject = None
    name: str | None = None
    pivot: Annotated[GenukaWarehousePivot | None, PHP_EMPTY] = None
    updated_at: str | None = None


class GenukaShop(Payload):
    """The shop that sold."""

    address: Annotated[Json, PERSONAL] = None
    company_id: str | None = None
    created_at: str | None = None
    currency_code: str | None = None
    currency_name: str | None = None
    deleted_at: str | None = None
    description: str | None = None
    domains: list[Json] | None = None
    id: str | None = None
    logo: Json = None
    logoUrl: str | None = None
    metadata: FreeObject = None
    name: str | None = None
    slug: str | None = None
    updated_at: str | None = None
    warehouses: list[GenukaWarehouse] | None = None


class GenukaUserMetadata(Payload):
    """A user's settings."""

    lang: str | None = None


class GenukaUser(Payload):
    """The employee who made the order; ``last_activity`` is ``Y-m-d H:i:s``."""

    allPermissions: list[str] | None = None
    birthdate: PersonalText = None
    company_id: str | None = None
    created_at: str | None = None
    deleted_at: str | None = None
    email: PersonalText = None
    first_name: PersonalText = None
    id: str | None = None
    last_activity: str | None = None
    last_login_at: str | None = None
    last_login_ip: PersonalText = None
    last_name: PersonalText = None
    medias: list[Json] | None = None
    metadata: Annotated[GenukaUserMetadata | None, PHP_EMPTY] = None
    name: PersonalText = None
    opt_in: int | None = None
    permissions: list[str] | None = None
    phone: PersonalText = None
    pin_enabled: bool | None = None
    role: str | None = None
    shops: list[Json] | None = None
    updated_at: str | None = None
