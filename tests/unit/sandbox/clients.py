"""Plain requests against the sandbox, as a client would send them that was written from the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import requests

from airflow_provider_orders.sandbox import credentials

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from airflow_provider_orders.sandbox import Sandbox

Headers: TypeAlias = "dict[str, str | None]"

VENDORS = ("popsell", "dipli", "valomnia", "genuka")
LISTS = {
    "popsell": "/api/v2/manager/orders",
    "dipli": "/api/v2/orders",
    "valomnia": "/api/v2.1/orders",
    "genuka": "/2023-11/admin/orders",
}
ROWS = {"popsell": "data", "dipli": "result", "valomnia": "data", "genuka": "data"}
IDS = {"popsell": "id_order", "dipli": "id", "valomnia": "id", "genuka": "id"}


class Client:
    """One HTTP session with a sandbox; it follows no redirect and reads nothing from the environment."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["Accept"] = "application/json"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def send(
        self, method: str, path: str, headers: Headers | None = None, **options: Any
    ) -> requests.Response:
        """Send a request to a path of the sandbox."""
        url = f"{self.sandbox.url}{path}"
        return self.http.request(method, url, headers=headers, timeout=30, allow_redirects=False, **options)

    def headers(self, vendor: str) -> Headers:
        """Give the credentials of a vendor that need no login."""
        known: dict[str, Headers] = {
            "popsell": {"Authorization": f"Bearer {credentials.POPSELL_TOKEN}"},
            "dipli": {"apikey": credentials.DIPLI_API_KEY},
            "genuka": {"X-API-Key": credentials.GENUKA_API_KEY, "X-Company": credentials.GENUKA_COMPANY_ID},
        }
        return known.get(vendor, {})

    def get(
        self, vendor: str, path: str = "", headers: Headers | None = None, **query: Any
    ) -> requests.Response:
        """Read an address of a vendor (its list of orders when left out), signed in."""
        if vendor == "valomnia" and "JSESSIONID" not in self.http.cookies:
            self.log_in()
        path = path or LISTS[vendor]
        return self.send("GET", f"/{vendor}{path}", {**self.headers(vendor), **(headers or {})}, params=query)

    def log_in(
        self, email: str = credentials.VALOMNIA_EMAIL, password: str = credentials.VALOMNIA_PASSWORD
    ) -> requests.Response:
        """Take the first step of Valomnia's login; the session keeps the cookie."""
        form = {"j_username": email, "j_password": password, "ajax": "true"}
        return self.send("POST", "/valomnia/j_spring_security_check", data=form)

    def page(self, vendor: str, number: int, size: int, **query: Any) -> tuple[list[dict[str, Any]], int]:
        """Read one page: its rows, and the total that the vendor claims."""
        paging: dict[str, Any] = {
            "popsell": {"page": number, "per_page": size},
            "dipli": {"page": number, "pageSize": size},
            "valomnia": {"offset": (number - 1) * size, "max": size},
            "genuka": {"page": number, "per_page": size},
        }[vendor]
        answer = self.get(vendor, **paging, **query)
        assert answer.status_code == 200, answer.text
        document = answer.json()
        totals = {
            "popsell": lambda: document["total"],
            "dipli": lambda: document["count"],
            "valomnia": lambda: document["paging"]["total"],
            "genuka": lambda: document.get("pagination", document.get("meta"))["total"],
        }
        return document[ROWS[vendor]], totals[vendor]()

    def walk(self, vendor: str, size: int = 100, **query: Any) -> list[dict[str, Any]]:
        """Read all pages."""
        rows: list[dict[str, Any]] = []
        number, total = 1, 1
        while len(rows) < total:
            page, total = self.page(vendor, number, size, **query)
            rows += page
            number += 1
            assert page or not total
        return rows

    def ids(self, vendor: str, **query: Any) -> list[str]:
        """List the ids that a query finds, in the order they come."""
        return [str(row[IDS[vendor]]) for row in self.walk(vendor, **query)]
