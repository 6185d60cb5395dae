"""An endpoint for Genuka's webhooks: what is verified becomes an event of an Airflow asset. See docs/webhooks.md."""

from __future__ import annotations

import logging
import os
from typing import Any

import requests
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_orders.apis.genuka_webhooks import MOST_BYTES, ReplayWindow, verify_webhook
from airflow_provider_orders.errors import AuthenticationError, UnexpectedPayloadError

log = logging.getLogger("uvicorn.error")
SECRET = os.environ["GENUKA_WEBHOOK_SECRET"]
AIRFLOW_URL = os.environ["AIRFLOW_URL"].rstrip("/")
AIRFLOW_LOGIN = {"username": os.environ["AIRFLOW_USERNAME"], "password": os.environ["AIRFLOW_PASSWORD"]}
ASSET = os.environ.get("AIRFLOW_ASSET", "genuka_orders")
seen = ReplayWindow()


def add_asset_event(event: dict[str, Any]) -> None:
    """Sign in to Airflow, look the asset up, and add an event to it."""
    with requests.Session() as airflow:
        airflow.hooks["response"] = lambda answer, **_: answer.raise_for_status()
        token = airflow.post(f"{AIRFLOW_URL}/auth/token", json=AIRFLOW_LOGIN, timeout=10).json()[
            "access_token"
        ]
        airflow.headers["Authorization"] = f"Bearer {token}"
        found = airflow.get(f"{AIRFLOW_URL}/api/v2/assets", params={"name_pattern": ASSET}, timeout=10).json()
        (asset_id,) = (asset["id"] for asset in found["assets"] if asset["name"] == ASSET)
        body = {"asset_id": asset_id, "extra": {"payload": event}}
        airflow.post(f"{AIRFLOW_URL}/api/v2/assets/events", json=body, timeout=10)


async def receive(request: Request) -> Response:
    """Answer one webhook."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return Response(status_code=413)
    try:
        webhook = verify_webhook(body, request.headers, secret=SECRET, seen=seen)
    except (AuthenticationError, UnexpectedPayloadError) as error:
        log.warning("%s", error)
        return Response(status_code=401 if isinstance(error, AuthenticationError) else 400)
    if webhook.order_event is not None:
        try:
            await run_in_threadpool(add_asset_event, webhook.order_event)
        except (requests.RequestException, ValueError):
            seen.forget(webhook)  # Genuka shall send it again
            log.exception("Airflow did not take the event %s", webhook.order_event["event_id"])
            return Response(status_code=503)
    return Response(status_code=204)


app = Starlette(routes=[Route("/webhooks/genuka", receive, methods=["POST"])])
