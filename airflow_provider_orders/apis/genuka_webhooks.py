"""Genuka's webhooks: told from forgeries and repetitions, and read as events about orders.

It answers no request by itself: an endpoint of yours gives it what came in, see ``docs/webhooks.md``.

Genuka documents more than one body; all of them are read::

    {"event": "order.updated", "data": {...}}
    {"event": "order.updated", "entity": {...}}
    {"type": "order.updated", "data": {...}, "timestamp": ..., "company_id": "..."}
    {"event": "test", "webhook_id": "...", "company_id": "...", "message": "...", "timestamp": ...}
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from airflow_provider_orders.errors import AuthenticationError, ConfigurationError, UnexpectedPayloadError
from airflow_provider_orders.models.genuka import GenukaOrder
from airflow_provider_orders.models.moments import is_blank, read_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MOST_BYTES", "GenukaWebhook", "ReplayWindow", "verify_webhook"]

MOST_BYTES: Final = 1024 * 1024
"""Largest body that is read; an order of a thousand lines fits in."""

_SIGNATURE_HEADER: Final = "x-genuka-signature"
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40})?", re.ASCII)
_MILLISECONDS_FROM: Final = 1e11
"""A number of seconds beyond this is in the year 5138: it is milliseconds."""


@dataclass(frozen=True, slots=True)
class GenukaWebhook:
    """A webhook that Genuka has signed.

    :param event: Genuka's word for what happened: ``order.created``, ``invoice.updated``, ``test``.
    :param company_id: the company that it happened in, None where the body does not say.
    :param sent_at: when it was sent; where the body does not say, when the order last changed.
    :param order_event: what happened to an order, None for other events. A plain dict of the same shape as the
        events of :mod:`airflow_provider_orders.waiting.events`: ids, statuses and times, no personal data. A webhook
        tells no former status, so that ``kind`` is ``order.created`` or ``order.updated`` and ``changed`` is empty; it
        knows no connection, so that ``orders_conn_id`` is None.
    :param digest: names the body: the same for each delivery of it.
    """

    event: str
    company_id: str | None
    sent_at: datetime
    order_event: dict[str, Any] | None = field(repr=False)
    digest: str


class ReplayWindow:
    """Remembers which webhooks came lately, so that each passes once.

    It lives in one process: with several, a repetition passes once in each, so route all webhooks to one, or drop
    events whose ``event_id`` you have had. The same holds for those that came before a restart. Threads may share it.

    :param most: webhooks remembered; beyond them the oldest is forgotten, and could pass again while it is young enough.
    """

    def __init__(self, most: int = 10_000) -> None:
        if most < 1:
            raise ConfigurationError("most must be at least 1.", field="most")
        self._most = most
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._until)

    def add(self, digest: str, *, now: datetime, keep_s: float) -> bool:
        """Remember a webhook; tell whether it is new.

        :param digest: names it.
        :param now: the time.
        :param keep_s: seconds for which it is remembered.
        """
        moment = now.timestamp()
        with self._lock:
            if self._until.get(digest, moment) > moment:
                return False
            self._until.pop(digest, None)
            while self._until and (
                len(self._until) >= self._most or next(iter(self._until.values())) <= moment
            ):
                del self._until[next(iter(self._until))]
            self._until[digest] = moment + keep_s
        return True

    def forget(self, webhook: GenukaWebhook) -> None:
        """Let a webhook pass again: it could not be dealt with, and Genuka shall repeat it."""
        with self._lock:
            self._until.pop(webhook.digest, None)


def verify_webhook(
    body: bytes,
    headers: Mapping[str, str],
    *,
    secret: str,
    now: datetime | None = None,
    max_age_s: float = 300.0,
    max_bytes: int = MOST_BYTES,
    seen: ReplayWindow | None = None,
) -> GenukaWebhook:
    """Check that a webhook is Genuka's, young and new, and read it.

    :param body: the body, byte for byte as it came.
    :param headers: the request's headers, in any case.
    :param secret: the webhook's secret, as Genuka shows it once when the webhook is made.
    :param now: the time, aware; the clock's by default.
    :param max_age_s: seconds that it may have been under way, and that Genuka's clock may be ahead.
    :param max_bytes: largest body accepted.
    :param seen: remembers what came before; without it, a copy of a webhook passes as long as it is young.
    :raises AuthenticationError: the signature is missing or wrong, or the webhook is too old or came before: do not
        act on it, answer 401.
    :raises UnexpectedPayloadError: it is signed, and not what Genuka documents: answer 400. Or it is too large.
    :raises ConfigurationError: ``secret`` is empty.
    """
    if not secret:
        raise ConfigurationError("secret is empty: anybody could sign with it.", field="secret")
    if len(body) > max_bytes:
        raise _unexpected(f"is larger than {max_bytes} bytes")
    _check_signature(body, headers, secret)
    now = now or datetime.now(UTC)
    digest = hashlib.sha256(body).hexdigest()
    webhook = _read(body, digest, now)
    if abs((now - webhook.sent_at).total_seconds()) > max_age_s:
        raise _refused("was not sent just now: its time is more than max_age_s away from this machine's")
    # Twice as long, as it may bear a time ahead of ours.
    if seen is not None and not seen.add(digest, now=now, keep_s=2 * max_age_s):
        raise _refused("came before")
    return webhook


def _check_signature(body: bytes, headers: Mapping[str, str], secret: str) -> None:
    given = [value for name, value in headers.items() if name.lower() == _SIGNATURE_HEADER]
    if not given:
        raise _refused("has no signature")
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    signature = given[0].strip().lower()
    if len(given) > 1 or not _SIGNATURE.fullmatch(signature) or not hmac.compare_digest(signature, expected):
        raise _refused("has another signature than the secret gives; if Genuka sent it, check the secret")


def _read(body: bytes, digest: str, now: datetime) -> GenukaWebhook:
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise _unexpected("is no JSON object")
    name = content.get("event", content.get("type"))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _unexpected("has no event such as order.updated")
    resource, _, action = name.partition(".")
    is_about_order = resource == "order" and action != ""
    order = _read_order(content.get("data", content.get("entity")), action) if is_about_order else None
    company_id = content.get("company_id") or (order.company_id if order else None)
    sent_at = _sent_at(content.get("timestamp"), order)
    if company_id is not None and not isinstance(company_id, str):
        raise _unexpected("has a company_id that is no text")
    return GenukaWebhook(
        event=name,
        company_id=company_id,
        sent_at=sent_at,
        order_event=None if order is None else _order_event(order, action, digest, now),
        digest=digest,
    )


def _read_order(data: Any, action: str) -> GenukaOrder:
    """Read what an event needs of an order: a webhook's order is not documented, so the rest may look as it likes."""
    if not isinstance(data, dict):
        raise _unexpected("has neither data nor entity with an order in it")
    names = ("id", "reference", "company_id", "created_at", "updated_at", "deleted_at")
    needed = {name: data[name] for name in names if name in data}
    for name in ("billing", "shipping"):
        if isinstance(part := data.get(name), dict):
            needed[name] = {"status": part.get("status")}
    if action == "deleted" and not needed.get("deleted_at"):
        needed["deleted_at"] = needed.get("updated_at")
    return GenukaOrder.parse(msgspec.json.encode(needed))


def _order_event(order: GenukaOrder, action: str, digest: str, now: datetime) -> dict[str, Any]:
    created_at, updated_at = _moment(order.created_at), _moment(order.updated_at)
    return {
        "event_id": digest[:32],
        "kind": "order.created" if action == "created" else "order.updated",
        "source": GenukaOrder.VENDOR,
        "orders_conn_id": None,
        "order_id": order.id,
        "reference": order.reference,
        "statuses": {
            axis: {"status": word.canonical.value, "status_raw": word.raw}
            for axis, word in order.status_words().items()
        },
        "changed": [],
        "created_at": created_at and created_at.isoformat(),
        "updated_at": updated_at and updated_at.isoformat(),
        "seen_at": now.astimezone(UTC).isoformat(),
    }


def _sent_at(timestamp: Any, order: GenukaOrder | None) -> datetime:
    """Read when it was sent. The form is not documented: seconds, milliseconds and ISO texts are read."""
    try:
        if isinstance(timestamp, str) and not timestamp.strip().isdigit():
            return read_moment(timestamp, assumed_timezone="UTC")[0]
        if isinstance(timestamp, int | float | str) and not isinstance(timestamp, bool):
            seconds = float(timestamp)
            return datetime.fromtimestamp(seconds / 1000 if seconds > _MILLISECONDS_FROM else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise _unexpected("has a timestamp that is none") from None
    moments = [order.created_at, order.updated_at, order.deleted_at] if order and timestamp is None else []
    found = [moment for text in moments if (moment := _moment(text)) is not None]
    if not found:
        raise _unexpected("does not tell when it was sent")
    return max(found)


def _moment(text: str | None) -> datetime | None:
    if text is None or is_blank(text):
        return None
    try:
        return read_moment(text, assumed_timezone="UTC")[0]
    except ValueError:
        raise _unexpected("has an order with a date in no documented form") from None


def _refused(problem: str) -> AuthenticationError:
    return AuthenticationError(f"The webhook {problem}.", vendor=GenukaOrder.VENDOR)


def _unexpected(problem: str) -> UnexpectedPayloadError:
    return UnexpectedPayloadError(f"The webhook {problem}.", vendor=GenukaOrder.VENDOR)
