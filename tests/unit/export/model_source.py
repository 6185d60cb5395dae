"""A vendor's orders as a pure model, and the real client, plan and sink on top of it: no network, no disk, no clock.

The model answers the requests that the real code sends, filters and sorts as each vendor documents it, and lets things
happen between two pages. So a property test can try any interleaving in a few milliseconds.
"""

from __future__ import annotations

import io
import json
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

import msgspec

from airflow_provider_orders.apis.dipli import DipliApi, DipliSettings
from airflow_provider_orders.apis.genuka import GenukaApi, GenukaSettings
from airflow_provider_orders.apis.popsell import PopsellApi, PopsellSettings
from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.apis.settings import ConnectionFields
from airflow_provider_orders.apis.valomnia import ValomniaApi, ValomniaSettings
from airflow_provider_orders.errors import ApiUnavailableError
from airflow_provider_orders.export.run import export_orders
from airflow_provider_orders.export.sinks.jsonl import JsonLinesSink
from airflow_provider_orders.http.messages import Response
from airflow_provider_orders.http.paging import PageWalk, SeenIds
from airflow_provider_orders.http.sync import SyncClient

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from airflow_provider_orders.apis.base import OrderApi
    from airflow_provider_orders.apis.listing import Listing, Page
    from airflow_provider_orders.export.manifest import Manifest
    from airflow_provider_orders.export.sinks.base import Sink
    from airflow_provider_orders.http.messages import Request
    from airflow_provider_orders.http.paging import PageStep, PastTest, RowPage

__all__ = ["BASE", "VENDORS", "MemoryFolder", "Shop", "SourceOrder", "model_api"]

VENDORS = ("popsell", "dipli", "valomnia", "genuka")

BASE = int(datetime(2026, 3, 28, 21, tzinfo=UTC).timestamp())
"""Two hours before midnight in Paris, and four before its clocks change."""

STATUSES = {
    "popsell": ("PENDING", "OK", "FULFILLED"),
    "dipli": ("pending_confirmation", "ongoing_shipping", "shipped"),
    "valomnia": ("PENDING", "DELIVERED", "REJECTED"),
    "genuka": ("pending", "taken_in_charge", "delivered"),
}

_KINDS: dict[str, tuple[type[OrderApi[Any]], Any, dict[str, Any]]] = {
    "popsell": (PopsellApi, PopsellSettings, {"auth": "token"}),
    "dipli": (DipliApi, DipliSettings, {}),
    "valomnia": (ValomniaApi, ValomniaSettings, {}),
    "genuka": (GenukaApi, GenukaSettings, {"company_id": "0" * 26}),
}


def model_api(vendor: str, **extra: Any) -> OrderApi[Any]:
    """Set up a vendor's API; extras of the connection may be given."""
    api, settings, own = _KINDS[vendor]
    fields = ConnectionFields(
        conn_id=f"{vendor}_default",
        host="https://orders.example.com",
        login="user@example.com",
        password="a password",
        extra={**own, "assumed_timezone": "Europe/Paris", **extra},
    )
    return api(settings.from_connection(fields))


@dataclass(slots=True)
class SourceOrder:
    """One order of the model; moments are seconds of the epoch, by the vendor's clock.

    :param number: grows with each order.
    :param created: the date that it bears.
    :param entered: when the vendor got to know it.
    :param updated: when it last changed, as the vendor says; None where it does not say.
    :param status: place in the vendor's words.
    :param version: how often it changed.
    """

    number: int
    created: int
    entered: int
    updated: int | None
    status: int = 0
    version: int = 1
    deleted: bool = False


@dataclass
class Shop:
    """A vendor's orders, its clock, and the exports of them.

    :param vendor: whose orders.
    :param page_size: rows on a page.
    :param ahead: pages that the client asks for before it has taken the first of them.
    :param skew: how far the vendor's clock is ahead of ours, in seconds.
    :param dipli_zone: the zone of Dipli's days, which is not documented.
    :param excludes_start: whether Genuka leaves out what happened at the start of a window, which is not documented.
    :param now: our clock.
    """

    vendor: str
    page_size: int = 2
    ahead: int = 2
    skew: int = 0
    dipli_zone: str = "Europe/Paris"
    excludes_start: bool = False
    now: int = BASE
    orders: list[SourceOrder] = field(default_factory=list)
    folder: MemoryFolder = field(default_factory=lambda: MemoryFolder("target", {}))
    manifests: list[Manifest] = field(default_factory=list)
    happens: dict[int, list[Callable[[], object]]] = field(default_factory=dict)
    fails_at: int | None = None
    asked: int = 0
    numbers: int = 0
    more: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Fields that an order has besides, by its number."""

    def __post_init__(self) -> None:
        self.api = model_api(self.vendor, page_size=self.page_size, concurrency=1)
        self.client = ModelClient(self)

    # The vendor.

    @property
    def clock(self) -> int:
        """The vendor's clock."""
        return self.now + self.skew

    def place(self, *, age: int = 0, late: int = 0) -> SourceOrder:
        """Place an order.

        :param age: how much older than its entry the date is that it bears.
        :param late: how long it takes until it can be read.
        """
        self.numbers += 1
        entered = self.clock - late
        order = SourceOrder(self.numbers, entered - age, entered, entered)
        self.orders.append(order)
        return order

    def change(self, order: SourceOrder, *, late: int = 0, status: int | None = None) -> None:
        """Change an order, seen ``late`` seconds after the time that the change bears."""
        order.version += 1
        if status is not None:
            order.status = status
        order.updated = max(order.updated or 0, self.clock - late)

    def delete(self, order: SourceOrder) -> None:
        """Delete an order for good."""
        self.orders.remove(order)

    def rows(self) -> dict[str, bytes]:
        """Give each order as it is now, by its id."""
        return {str(order.number): self._row(order) for order in self.orders}

    def answer(self, request: Request) -> Response:
        """Answer a request, after letting happen what is to happen before it."""
        if request.path == "/j_spring_security_check":
            place = {"location": "/login/ajaxSuccess"}
            return Response(request=request, status=302, headers=place, body=b"", cookies={"JSESSIONID": "A"})
        if request.path == "/login/ajaxSuccess":
            return Response(request=request, status=200, headers={}, body=b'{"success": true}', cookies={})
        self.asked += 1
        for event in self.happens.pop(self.asked, ()):
            event()
        if self.asked == self.fails_at:
            raise ApiUnavailableError("The model fails, as it was told to.", vendor=self.vendor)
        self.now += 1
        params = dict(request.params)
        body = msgspec.json.encode(getattr(self, f"_{self.vendor}_page")(params))
        return Response(request=request, status=200, headers={}, body=body, cookies={})

    def _word(self, order: SourceOrder) -> str:
        return STATUSES[self.vendor][order.status]

    def _row(self, order: SourceOrder) -> bytes:
        word = self._word(order)
        changed = None if order.updated is None else _iso(order.updated)
        row: dict[str, Any] = {
            "popsell": lambda: {
                "id_order": order.number,
                "total_amount": order.version,
                "last_status": word,
                "date_order": _iso(order.created),
                "date_insert": _iso(order.entered),
                "date_update": changed,
            },
            "dipli": lambda: {
                "id": order.number,
                "price_t_t_c": order.version,
                "shipping_status": word,
                "created_at": _iso(order.created),
            },
            "valomnia": lambda: {
                "id": order.number,
                "total": order.version,
                "deliveryStatus": word,
                "dateCreated": _iso(order.created),
                "lastUpdated": changed,
            },
            "genuka": lambda: {
                "id": str(order.number),
                "amount": order.version,
                "shipping": {"status": word},
                "created_at": _iso(order.created),
                "updated_at": changed,
                "deleted_at": changed if order.deleted else None,
            },
        }[self.vendor]()
        return msgspec.json.encode({**row, **self.more.get(order.number, {})})

    def _cut(self, found: Sequence[SourceOrder], start: int, size: int) -> list[msgspec.Raw]:
        return [msgspec.Raw(self._row(order)) for order in found[start : start + size]]

    def _popsell_page(self, params: dict[str, str]) -> dict[str, Any]:
        wanted = params.get("filter[last_status]")
        found = sorted(
            (order for order in self.orders if wanted in {None, self._word(order)}),
            key=lambda order: order.number,
            reverse=params["sort"].startswith("-"),
        )
        number, size = int(params["page"]), int(params["per_page"])
        last = max(1, -(-len(found) // size))
        return {
            "current_page": number,
            "data": self._cut(found, (number - 1) * size, size),
            "last_page": last,
            "per_page": size,
            "total": len(found),
            "next_page_url": "/api/v2/manager/orders?page=next" if number < last else None,
        }

    def _dipli_page(self, params: dict[str, str]) -> dict[str, Any]:
        found = [
            order
            for order in sorted(self.orders, key=lambda order: -order.number)
            if params.get("status") in {None, self._word(order)}
            and self._since(params.get("updatedAt"), order.updated)
            and self._since(params.get("createdAt"), order.created)
        ]
        number, size = int(params["page"]), int(params["pageSize"])
        rows = self._cut(found, (number - 1) * size, size)
        return {"count": len(found), "page": number, "pageSize": size, "result": rows}

    def _since(self, day: str | None, at: int | None) -> bool:
        if day is None:
            return True
        start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(self.dipli_zone))
        return at is not None and at >= start.timestamp()

    def _valomnia_page(self, params: dict[str, str]) -> dict[str, Any]:
        found = [
            order
            for order in sorted(self.orders, key=lambda order: order.number)
            if _between(order.updated, params.get("lastUpdated_gte"), params.get("lastUpdated_lt"))
            and _between(order.created, params.get("dateCreated_gte"), params.get("dateCreated_lt"))
        ]
        size, offset = int(params["max"]), int(params["offset"])
        paging = {"total": len(found), "max": size, "offset": offset, "previous": None, "next": None}
        return {"paging": paging, "data": self._cut(found, offset, size)}

    def _genuka_page(self, params: dict[str, str]) -> dict[str, Any]:
        def period(name: str, at: int | None) -> bool:
            start, end = (params.get(f"filter[{name}][{edge}]") for edge in ("start", "end"))
            if self.excludes_start and start is not None and at == datetime.fromisoformat(start).timestamp():
                return False
            return _between(at, start, end, end_included=True)

        def place(order: SourceOrder) -> tuple[int, int]:
            return ((order.updated or 0) if params["sort"] == "updated_at" else order.created), order.number

        found = [
            order
            for order in sorted(self.orders, key=place)
            if params.get("filter[shipping->status]") in {None, self._word(order)}
            and period("updated_at", order.updated)
            and period("created_at", order.created)
        ]
        number, size = int(params["page"]), int(params["per_page"])
        pagination = {"total": len(found), "per_page": size, "current_page": number}
        return {"data": self._cut(found, (number - 1) * size, size), "pagination": pagination}

    # The exports.

    def export(
        self,
        run_key: str,
        *,
        statuses: tuple[int, ...] = (),
        output: str = "raw",
        into: Sink[Any] | None = None,
        **options: Any,
    ) -> Manifest:
        """Export into the folder, or a sink; incremental unless told otherwise."""
        self.asked = 0
        words = tuple(STATUSES[self.vendor][place] for place in statuses)
        with into or JsonLinesSink(self.folder, "orders", run_key=run_key, output=output) as sink:
            manifest = export_orders(
                self.client,
                options.pop("query", None) or OrderQuery(statuses=words),
                sink,
                run_key=run_key,
                now=datetime.fromtimestamp(self.now, UTC),
                **{"mode": "incremental", **options},
            )
        self.manifests.append(manifest)
        return manifest

    def versions(self) -> dict[str, list[bytes]]:
        """Read all versions of each order from the incremental exports' files, the oldest first."""
        found: dict[str, list[bytes]] = {}
        for note in sorted(name for name in self.folder.files if name.endswith(".manifest.json")):
            manifest = json.loads(self.folder.files[note])
            if manifest["mode"] != "incremental":
                continue
            for file in manifest["files"]:
                for line in self.folder.files[file["path"].rpartition("/")[2]].splitlines():
                    found.setdefault(_identity(line), []).append(line)
        return found

    def rows_of(self, manifest: Manifest) -> dict[str, bytes]:
        """Read the orders of one export."""
        lines = [
            line
            for file in manifest["files"]
            for line in self.folder.files[file["path"].rpartition("/")[2]].splitlines()
        ]
        assert len(lines) == manifest["rows"]
        return {_identity(line): line for line in lines}

    def target(self) -> dict[str, bytes]:
        """Give the newest version of each order in the target."""
        return {order_id: versions[-1] for order_id, versions in self.versions().items()}


class ModelClient(SyncClient):
    """The workers' client with a model in the place of the network, and pages asked for in a fixed order."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop.api)
        self._shop = shop

    def _send(self, url: str, request: Request) -> Response:
        del url
        return self._shop.answer(request)

    def iter_listing(
        self,
        listing: Listing,
        *,
        complete: bool = False,
        is_past: PastTest | None = None,
        start: Any = None,
        seen: Iterable[Sequence[str]] = (),
        summarise: bool = False,
    ) -> Generator[RowPage]:
        """Walk as the client's own does, but for the threads: what is asked for ahead is answered at once."""
        with closing(SeenIds()) as seen_ids:
            for ids in seen:
                seen_ids.add(ids)
            walk = PageWalk(
                listing,
                seen_ids,
                origin=self._exchanger.origin,
                vendor=self.api.vendor,
                is_past=is_past,
                start=start,
            )
            pending: deque[tuple[PageStep, Page]] = deque()
            while True:
                while len(pending) < self._shop.ahead and (step := walk.next_step()) is not None:
                    pending.append(
                        (step, self._read_page(listing, step, complete=complete, summarise=summarise))
                    )
                if not pending:
                    return
                step, page = pending.popleft()
                if walk.wants(step):
                    yield walk.accept(page)


class MemoryFolder:
    """A folder, or a path in it, that lies in memory."""

    protocol = "memory"

    def __init__(self, name: str, files: dict[str, bytes], *, inside: bool = False) -> None:
        self.name = name
        self.files = files
        self._inside = inside

    def __str__(self) -> str:
        return f"memory://target/{self.name}" if self._inside else "memory://target"

    @property
    def parent(self) -> MemoryFolder:
        return MemoryFolder("target", self.files)

    def __truediv__(self, name: str) -> MemoryFolder:
        return MemoryFolder(name, self.files, inside=True)

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        del parents, exist_ok

    def iterdir(self) -> list[MemoryFolder]:
        return [self / name for name in self.files]

    def open(self, mode: str) -> IO[bytes]:
        return io.BytesIO(self.files[self.name]) if mode == "rb" else _Written(self)

    def exists(self) -> bool:
        return self.name in self.files

    def replace(self, target: Self) -> None:
        self.files[target.name] = self.files.pop(self.name)

    def unlink(self, *, missing_ok: bool) -> None:
        if missing_ok:
            self.files.pop(self.name, None)
        else:
            del self.files[self.name]


class _Written(io.BytesIO):
    def __init__(self, path: MemoryFolder) -> None:
        super().__init__()
        self._path = path
        path.files[path.name] = b""

    def close(self) -> None:
        if not self.closed:
            self._path.files[self._path.name] = self.getvalue()
        super().close()


def _identity(line: bytes) -> str:
    row = json.loads(line)
    return str(row.get("id_order", row.get("id")))


def _iso(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _between(at: int | None, start: str | None, end: str | None, *, end_included: bool = False) -> bool:
    if start is None and end is None:
        return True
    if at is None:  # as in SQL, where nothing compares with NULL
        return False
    if start is not None and at < datetime.fromisoformat(start).timestamp():
        return False
    if end is None:
        return True
    bound = datetime.fromisoformat(end).timestamp()
    return at <= bound if end_included else at < bound
