"""The web application of the Orders page."""

from __future__ import annotations

import functools
import logging
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import get_user
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from airflow_provider_orders import __version__
from airflow_provider_orders.plugins.page import words
from airflow_provider_orders.plugins.page.access import Access
from airflow_provider_orders.plugins.page.chart import freshness_chart
from airflow_provider_orders.plugins.page.records import DAYS, read_records
from airflow_provider_orders.plugins.page.report import Report, make_report

__all__ = ["page_app"]

log = logging.getLogger(__name__)

_FOLDER: Final = Path(__file__).parent

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

# Airflow's own way to whatever login there is, and back.
_LOGIN: Final = "../api/v2/auth/login"

_MESSAGES: Final = {
    HTTPStatus.UNAUTHORIZED: (
        "Log in to see the orders",
        "You are not logged in to Airflow, or your session has ended.",
    ),
    HTTPStatus.FORBIDDEN: (
        "Airflow does not let you in",
        "Your login is not valid for this Airflow. Log in again, or ask who administers it.",
    ),
    HTTPStatus.NOT_FOUND: ("There is no such page", "The Orders page has moved, or the link is wrong."),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "The orders cannot be read at the moment",
        "Airflow's metadata database did not answer. Try again in a minute; the API server's log says why.",
    ),
}
_UNEXPECTED: Final = ("This did not work", "The log of Airflow's API server says why.")


@functools.cache
def page_app() -> FastAPI:
    """Give the application; Airflow mounts it under ``/orders``."""
    app = FastAPI(title="Orders", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_api_route("/", _orders_page, response_class=HTMLResponse)
    app.mount("/static", StaticFiles(directory=_FOLDER / "static"))
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(SQLAlchemyError, _database_failed)
    return app


def _orders_page(user: Annotated[Any, Depends(get_user)]) -> HTMLResponse:
    """Show a user what that user may read.

    It is no coroutine, so that the queries run beside the API server's loop.
    """
    now = datetime.now(UTC)
    with create_session(scoped=False) as session:
        access = Access(get_auth_manager(), user, session)
        report = make_report(read_records(session, access, now=now), now=now)
    return _html("orders.html", HTTPStatus.OK, **_page(report))


def _page(report: Report) -> dict[str, Any]:
    return {
        "report": report,
        "now": report.made_at,
        "days": DAYS,
        "charts": {
            connection.orders_conn_id: freshness_chart(
                connection.freshness, connection.failures, report.made_at
            )
            for connection in report.connections
        },
    }


async def _refused(request: Request, error: Exception) -> HTMLResponse:
    del request
    status = HTTPStatus(getattr(error, "status_code", HTTPStatus.INTERNAL_SERVER_ERROR))
    return _message(status)


async def _database_failed(request: Request, error: Exception) -> HTMLResponse:
    del request
    log.error("The Orders page could not read Airflow's metadata database", exc_info=error)
    return _message(HTTPStatus.SERVICE_UNAVAILABLE)


def _message(status: HTTPStatus) -> HTMLResponse:
    title, text = _MESSAGES.get(status, _UNEXPECTED)
    may_log_in = status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    return _html("message.html", status, title=title, text=text, login=_LOGIN if may_log_in else None)


def _html(template: str, status: HTTPStatus, **values: Any) -> HTMLResponse:
    text = _templates().get_template(template).render(words=words, version=__version__, **values)
    return HTMLResponse(text, status_code=status, headers=_HEADERS)


@functools.cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
