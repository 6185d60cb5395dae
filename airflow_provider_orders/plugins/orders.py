"""The plugin that puts the Orders page into Airflow's UI.

Every Airflow process loads it, so it imports nothing of the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowPlugin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

__all__ = ["OrdersPlugin"]

# No slash before it: the UI completes it with the path that Airflow is served under.
_PAGE = "orders/"


class _PageWhenAsked:
    """The page's web application, imported with the first request: only the API server ever gets one."""

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        from airflow_provider_orders.plugins.page.app import page_app

        await page_app()(scope, receive, send)


class OrdersPlugin(AirflowPlugin):
    """Adds the Orders page to the menu *Browse*: exports, freshness, statuses and waits of each connection."""

    name = "airflow_provider_orders"
    fastapi_apps: list[Any] = [  # noqa: RUF012 - as Airflow declares it
        {"name": "Orders", "app": _PageWhenAsked(), "url_prefix": f"/{_PAGE.rstrip('/')}"}
    ]
    external_views: list[Any] = [  # noqa: RUF012
        {
            "name": "Orders",
            "href": _PAGE,
            "url_route": "orders",
            "destination": "nav",
            "category": "browse",
            "icon": f"{_PAGE}static/icon.svg",
            "icon_dark_mode": f"{_PAGE}static/icon-dark.svg",
        }
    ]
