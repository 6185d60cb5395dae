"""The Python of the page about webhooks: it says what is so."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_provider_orders.apis.genuka_webhooks import verify_webhook

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def signed(content: object) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(content).encode()
    return body, {"x-genuka-signature": hmac.new(b"secret", body, hashlib.sha256).hexdigest()}


def test_the_dag_and_the_function_work() -> None:
    dag, function = blocks("python")
    names: dict[str, Any] = {}
    exec(dag, names)  # noqa: S102 - our own page
    exec(function, names)  # noqa: S102
    now = datetime.now(UTC).isoformat()

    assert [asset.name for asset in names["on_changed_orders"]().schedule] == ["genuka_orders"]
    event = names["receive"](
        *signed({"event": "order.updated", "data": {"id": "x", "updated_at": now}}), "secret"
    )
    assert event["order_id"] == "x"
    assert names["receive"](*signed({"event": "test", "timestamp": now}), "secret") is None


def test_the_event_is_what_the_function_gives() -> None:
    (shown,) = map(json.loads, blocks("json"))
    order = {
        "id": shown["order_id"],
        "reference": shown["reference"],
        "billing": {"status": "paid"},
        "shipping": {"status": "taken_in_charge"},
        "created_at": shown["created_at"],
        "updated_at": shown["updated_at"],
    }

    webhook = verify_webhook(
        *signed({"event": "order.updated", "data": order}),
        secret="secret",
        now=datetime.fromisoformat(shown["seen_at"]),
    )

    assert webhook.order_event is not None
    assert {**webhook.order_event, "event_id": shown["event_id"]} == shown
    assert len(webhook.order_event["event_id"]) == len(shown["event_id"])
