"""Genuka's webhooks: what passes, what is refused and how, and that nothing personal comes out."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_orders.apis.genuka_webhooks import (
    MOST_BYTES,
    GenukaWebhook,
    ReplayWindow,
    verify_webhook,
)
from airflow_provider_orders.errors import AuthenticationError, ConfigurationError, UnexpectedPayloadError

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox

SECRET = "a-webhook-secret-of-32-letters-xx"
NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
JUST_NOW = "2026-01-15T11:59:30.000000Z"


def order(**changes: Any) -> dict[str, Any]:
    return {
        "id": "01hxyz0000000000000000000a",
        "reference": "#ORDER_1382",
        "company_id": "01hcompany",
        "billing": {"status": "paid", "address": {"line1": "1 secret street"}},
        "shipping": {"status": "taken_in_charge"},
        "customer": {"first_name": "Awa", "email": "awa@example.com"},
        "created_at": "2026-01-10T08:00:00.000000Z",
        "updated_at": JUST_NOW,
        **changes,
    }


def signed(content: Any, *, secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return body, {"X-Genuka-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def verify(content: Any, **options: Any) -> GenukaWebhook:
    body, headers = signed(content)
    return verify_webhook(body, headers, **{"secret": SECRET, "now": NOW, **options})


class TestWhatPasses:
    @pytest.mark.parametrize(
        "content",
        [
            {"event": "order.updated", "data": order()},
            {"event": "order.updated", "entity": order()},
            {"type": "order.updated", "data": order(), "timestamp": JUST_NOW, "company_id": "01hcompany"},
        ],
        ids=["data", "entity", "type"],
    )
    def test_is_an_event_with_ids_statuses_and_times_in_each_documented_shape(self, content: Any) -> None:
        webhook = verify(content)

        assert webhook.event == "order.updated"
        assert webhook.company_id == "01hcompany"
        assert webhook.sent_at == NOW - timedelta(seconds=30)
        event = dict(webhook.order_event or {})
        assert len(event.pop("event_id")) == 32
        assert event == {
            "kind": "order.updated",
            "source": "genuka",
            "orders_conn_id": None,
            "order_id": "01hxyz0000000000000000000a",
            "reference": "#ORDER_1382",
            "statuses": {
                "payment": {"status": "paid", "status_raw": "paid"},
                "fulfillment": {"status": "in_transit", "status_raw": "taken_in_charge"},
            },
            "changed": [],
            "created_at": "2026-01-10T08:00:00+00:00",
            "updated_at": "2026-01-15T11:59:30+00:00",
            "seen_at": "2026-01-15T12:00:00+00:00",
        }

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("order.created", "order.created"),
            ("order.restored", "order.updated"),
            ("order.completed", "order.updated"),
        ],
    )
    def test_is_created_or_updated(self, name: str, kind: str) -> None:
        event = verify({"event": name, "data": order()}).order_event

        assert event is not None
        assert event["kind"] == kind

    @pytest.mark.parametrize("changes", [{}, {"deleted_at": JUST_NOW}, {"deleted_at": None}])
    def test_is_cancelled_when_the_order_was_deleted(self, changes: dict[str, Any]) -> None:
        event = verify({"event": "order.deleted", "data": order(**changes)}).order_event

        assert event is not None
        assert {status["status"] for status in event["statuses"].values()} == {"cancelled"}

    @pytest.mark.parametrize("name", ["test", "invoice.updated", "order_product.created"])
    def test_about_something_else_has_no_order(self, name: str) -> None:
        webhook = verify({"event": name, "company_id": "c", "timestamp": JUST_NOW, "data": {"id": 1}})

        assert (webhook.event, webhook.company_id, webhook.order_event) == (name, "c", None)

    @pytest.mark.parametrize(
        "timestamp",
        [NOW.timestamp(), int(NOW.timestamp() * 1000), str(int(NOW.timestamp())), NOW.isoformat()],
    )
    def test_tells_when_it_was_sent_in_any_form(self, timestamp: Any) -> None:
        assert verify({"type": "test", "timestamp": timestamp}).sent_at == NOW

    @pytest.mark.parametrize("name", ["x-genuka-signature", "X-GENUKA-SIGNATURE"])
    @pytest.mark.parametrize("spell", [str.upper, str.lower, lambda signature: f" {signature} "])
    def test_is_signed_in_any_case(self, name: str, spell: Any) -> None:
        body, headers = signed({"event": "order.updated", "data": order()})
        (signature,) = headers.values()

        assert verify_webhook(body, {name: spell(signature)}, secret=SECRET, now=NOW).order_event

    def test_may_lack_all_that_an_event_does_not_need(self) -> None:
        event = verify({"event": "order.created", "data": {"id": "x", "created_at": JUST_NOW}}).order_event

        assert event is not None
        assert event["statuses"]["payment"] == {"status": "unknown", "status_raw": None}
        assert event["updated_at"] is None

    def test_has_the_same_event_id_at_each_delivery_and_another_after_a_change(self) -> None:
        def event_id(content: Any, **options: Any) -> str:
            event = verify(content, **options).order_event
            assert event is not None
            return str(event["event_id"])

        content = {"event": "order.updated", "data": order()}
        later = NOW + timedelta(minutes=1)
        assert event_id(content) == event_id(content, now=later)
        assert event_id(content) != event_id({"event": "order.updated", "data": order(amount=1)})

    def test_reads_every_order_of_the_sandbox(self, orders_sandbox: Sandbox) -> None:
        for payload in orders_sandbox.payloads("genuka"):
            event = verify(
                {"type": "order.updated", "data": payload, "timestamp": NOW.timestamp()}
            ).order_event
            assert event is not None
            assert event["order_id"] == payload["id"]
            assert "@" not in json.dumps(event)


class TestWhatIsForged:
    content: ClassVar[Any] = {"event": "order.updated", "data": order()}

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"X-Genuka-Signature": ""},
            {"X-Genuka-Signature": "0" * 64},
            {"X-Genuka-Signature": "é" * 64},
            signed(content, secret="another")[1],
            {name: f"sha256={value}" for name, value in signed(content)[1].items()},
            {name: value[:-1] for name, value in signed(content)[1].items()},
            {**signed(content)[1], "x-genuka-signature": "0" * 64},
        ],
    )
    def test_is_an_authentication_error(self, headers: dict[str, str]) -> None:
        body, _ = signed(self.content)

        with pytest.raises(AuthenticationError, match="signature") as caught:
            verify_webhook(body, headers, secret=SECRET, now=NOW)

        assert SECRET not in f"{caught.value!r} {caught.value} {vars(caught.value)}"

    @given(position=st.integers(min_value=0), bit=st.integers(0, 7))
    def test_is_found_at_every_bit(self, position: int, bit: int) -> None:
        body, headers = signed(self.content)
        changed = bytearray(body)
        changed[position % len(body)] ^= 1 << bit

        with pytest.raises(AuthenticationError):
            verify_webhook(bytes(changed), headers, secret=SECRET, now=NOW)

    def test_is_refused_before_it_is_read(self) -> None:
        _, headers = signed(b"something else")

        with pytest.raises(AuthenticationError):
            verify_webhook(b"{no json", headers, secret=SECRET, now=NOW)

    def test_cannot_be_signed_with_an_empty_secret(self) -> None:
        body, headers = signed(self.content, secret="")

        with pytest.raises(ConfigurationError) as caught:
            verify_webhook(body, headers, secret="", now=NOW)

        assert caught.value.field == "secret"


class TestWhatIsOldOrRepeated:
    content: ClassVar[Any] = {"event": "order.updated", "data": order()}

    @pytest.mark.parametrize("off", [timedelta(seconds=271), timedelta(seconds=-331), timedelta(days=400)])
    def test_is_refused_when_it_is_old_or_from_the_future(self, off: timedelta) -> None:
        with pytest.raises(AuthenticationError, match="not sent just now"):
            verify(self.content, now=NOW + off)

    @pytest.mark.parametrize("off", [timedelta(seconds=270), timedelta(seconds=-330)])
    def test_passes_within_the_age(self, off: timedelta) -> None:
        assert verify(self.content, now=NOW + off).order_event

    def test_the_age_is_that_of_the_sending_where_the_body_tells_it(self) -> None:
        old = {"type": "order.updated", "data": order(), "timestamp": "2026-01-15T11:00:00Z"}

        with pytest.raises(AuthenticationError, match="not sent just now"):
            verify(old)

    def test_passes_once(self) -> None:
        seen = ReplayWindow()
        verify(self.content, seen=seen)

        with pytest.raises(AuthenticationError, match="came before"):
            verify(self.content, seen=seen)

    def test_passes_again_once_it_is_forgotten(self) -> None:
        seen = ReplayWindow()
        seen.forget(verify(self.content, seen=seen))

        assert verify(self.content, seen=seen).order_event

    def test_is_remembered_as_long_as_it_could_pass(self) -> None:
        seen = ReplayWindow()
        verify(self.content, seen=seen, now=NOW - timedelta(seconds=330))

        with pytest.raises(AuthenticationError, match="came before"):
            verify(self.content, seen=seen, now=NOW + timedelta(seconds=269))

    def test_the_window_holds_no_more_than_it_is_told(self) -> None:
        seen = ReplayWindow(most=3)
        assert all(seen.add(str(number), now=NOW, keep_s=600) for number in range(10))
        assert len(seen) == 3
        assert not seen.add("9", now=NOW, keep_s=600)
        assert seen.add("0", now=NOW, keep_s=600)

    def test_the_window_forgets_what_is_too_old_to_pass(self) -> None:
        seen = ReplayWindow()
        for number in range(10):
            seen.add(str(number), now=NOW, keep_s=600)

        assert seen.add("1", now=NOW + timedelta(seconds=600), keep_s=600)
        assert len(seen) == 1

    def test_a_window_without_room_is_refused(self) -> None:
        with pytest.raises(ConfigurationError):
            ReplayWindow(most=0)

    def test_what_is_refused_otherwise_is_not_remembered(self) -> None:
        seen = ReplayWindow()
        for options in ({"now": NOW + timedelta(days=1)}, {"max_bytes": 10}):
            with pytest.raises((AuthenticationError, UnexpectedPayloadError)):
                verify(self.content, seen=seen, **options)

        assert len(seen) == 0


class TestWhatIsSignedButOtherwise:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"\xff\xfe",
            b"[" * 100_000,
            [],
            "order.updated",
            {},
            {"event": None, "data": order()},
            {"event": 7, "data": order()},
            {"event": "Order <b>updated</b>", "data": order()},
            {"event": "order.updated"},
            {"event": "order.updated", "data": None},
            {"event": "order.updated", "data": [order()]},
            {"event": "order.updated", "data": {"updated_at": JUST_NOW}},
            {"event": "order.updated", "data": order(id={"email": "awa@example.com"})},
            {"event": "order.updated", "data": order(updated_at="awa@example.com")},
            {"event": "order.updated", "data": order(billing={"status": ["awa@example.com"]})},
            {"event": "order.updated", "data": {"id": "x"}},
            {"event": "order.updated", "data": order(), "timestamp": "awa@example.com"},
            {"event": "order.updated", "data": order(), "timestamp": 1e300},
            {"event": "order.updated", "data": order(), "timestamp": {}},
            {"event": "order.updated", "data": order(), "timestamp": True},
            {"event": "order.updated", "data": order(), "company_id": ["awa@example.com"]},
            {"event": "test"},
        ],
    )
    def test_is_an_unexpected_payload_that_is_not_repeated(self, content: Any) -> None:
        with pytest.raises(UnexpectedPayloadError) as caught:
            verify(content)

        assert "awa@example.com" not in f"{caught.value} {vars(caught.value)}"
        assert caught.value.vendor == "genuka"

    def test_is_refused_when_it_is_large_before_it_is_looked_at(self) -> None:
        with pytest.raises(UnexpectedPayloadError, match="larger"):
            verify_webhook(b"x" * (MOST_BYTES + 1), {}, secret=SECRET, now=NOW)

    def test_nothing_personal_is_in_what_passes(self) -> None:
        webhook = verify({"event": "order.updated", "data": order()})

        for text in (repr(webhook), json.dumps(webhook.order_event)):
            assert not {"Awa", "awa@example.com", "street", SECRET} & {
                word for word in ("Awa", "awa@example.com", "street", SECRET) if word in text
            }

    @given(st.binary(max_size=200))
    def test_any_bytes_give_an_error_of_ours_or_pass(self, body: bytes) -> None:
        with pytest.raises(UnexpectedPayloadError):
            verify(body)
