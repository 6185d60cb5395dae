from __future__ import annotations

import ast
import json
import logging
import pkgutil
import re
import subprocess
import sys
import threading
from contextlib import closing
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path

import pytest
import requests

import airflow_provider_orders.sandbox as package
from airflow_provider_orders.sandbox import Sandbox, credentials
from tests.unit.sandbox.clients import VENDORS, Client

FOLDER = Path(package.__path__[0])
MODULES = [info.name for info in pkgutil.iter_modules(package.__path__) if info.name != "__main__"]


def test_index_tells_all_that_a_user_needs(client: Client, sandbox: Sandbox) -> None:
    index = client.send("GET", "/").json()

    assert list(index["vendors"]) == list(VENDORS) == list(sandbox.vendors)
    for name, vendor in index["vendors"].items():
        assert vendor["base_url"] == f"{sandbox.url}/{name}"
        assert vendor["connection"] == sandbox.connections[vendor["connection_id"]]
        assert vendor["live_orders"] == sandbox.live_ids(name)
    assert index["vendors"]["dipli"]["credentials"]["api_key"] == credentials.DIPLI_API_KEY
    assert index["now"].startswith("2026-01-01T")


def test_index_names_every_credential(client: Client) -> None:
    vendors = client.send("GET", "/").json()["vendors"].values()
    named = {value for vendor in vendors for value in vendor["credentials"].values()}

    assert {getattr(credentials, name) for name in credentials.__all__} == named


def test_connections_are_what_the_provider_documents(sandbox: Sandbox) -> None:
    assert sandbox.connections == {
        "popsell_default": {
            "conn_type": "popsell",
            "host": f"{sandbox.url}/popsell",
            "password": credentials.POPSELL_API_KEY,
            "extra": {"auth": "api_key", "domain": credentials.POPSELL_DOMAIN, "assumed_timezone": "Etc/UTC"},
        },
        "dipli_default": {
            "conn_type": "dipli",
            "host": f"{sandbox.url}/dipli",
            "password": credentials.DIPLI_API_KEY,
            "extra": {},
        },
        "valomnia_default": {
            "conn_type": "valomnia",
            "host": f"{sandbox.url}/valomnia",
            "login": credentials.VALOMNIA_EMAIL,
            "password": credentials.VALOMNIA_PASSWORD,
            "extra": {},
        },
        "genuka_default": {
            "conn_type": "genuka",
            "host": f"{sandbox.url}/genuka",
            "password": credentials.GENUKA_API_KEY,
            "extra": {"company_id": credentials.GENUKA_COMPANY_ID, "auth": "api_key"},
        },
    }


def test_environment_holds_the_same_connections(sandbox: Sandbox) -> None:
    environment = {name: json.loads(text) for name, text in sandbox.environment().items()}

    assert environment == {
        f"AIRFLOW_CONN_{name.upper()}": fields for name, fields in sandbox.connections.items()
    }


def test_requests_are_recorded_without_secrets(client: Client, sandbox: Sandbox) -> None:
    client.get("genuka", per_page=3)
    client.send("GET", "/dipli/api/v2/orders", {"apikey": "wrong"})

    good, bad = sandbox.requests
    assert (good.vendor, good.method, good.path) == ("genuka", "GET", "/genuka/2023-11/admin/orders")
    assert (dict(good.query), good.status, good.authenticated) == ({"per_page": "3"}, 200, True)
    assert (good.credential_headers, good.fault) == (("x-api-key",), None)
    assert (bad.status, bad.authenticated, bad.credential_headers) == (401, False, ("apikey",))
    assert credentials.GENUKA_API_KEY not in repr(sandbox.requests)


@pytest.mark.parametrize("path", ["/nothing", "/popsell", "/genuka/", "//", "/dipli/api/v2/orders/"])
def test_unknown_addresses_are_not_found(sandbox: Sandbox, path: str) -> None:
    # Not with requests: older releases send one slash where an address begins with two.
    with closing(HTTPConnection(sandbox.url.removeprefix("http://"), timeout=30)) as connection:
        connection.request("GET", path)
        assert connection.getresponse().status == 404


def test_a_sandbox_can_be_started_and_stopped_again() -> None:
    before = set(threading.enumerate())
    sandbox = Sandbox(orders=3)
    for _ in range(2):
        with sandbox, Client(sandbox) as client:
            assert client.get("dipli").status_code == 200
            assert "running" in repr(sandbox)
        with pytest.raises(requests.exceptions.ConnectionError), Client(sandbox) as client:
            client.get("dipli")
        sandbox.stop()
    assert set(threading.enumerate()) <= before


def test_two_sandboxes_do_not_share_anything(client: Client) -> None:
    with Sandbox(orders=3) as other, Client(other) as stranger:
        stranger.get("dipli")
        client.sandbox.inject("html", vendor="dipli")

        assert stranger.get("dipli").headers["Content-Type"] == "application/json"
    assert client.sandbox.requests == []


def test_a_port_in_use_is_an_oserror(sandbox: Sandbox) -> None:
    port = int(sandbox.url.rpartition(":")[2])

    with pytest.raises(OSError, match="in use"):
        Sandbox(port=port).start()


def test_prepare_makes_rows_before_they_are_asked_for(client: Client, sandbox: Sandbox) -> None:
    sandbox.prepare("dipli")

    assert len(client.walk("dipli")) == 230
    with pytest.raises(ValueError, match="unknown vendor"):
        sandbox.prepare("amazon")


def test_other_servers_keep_their_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client.sandbox.inject("cut", vendor="dipli")
    with pytest.raises(requests.exceptions.RequestException):
        client.get("dipli")
    logging.getLogger("uvicorn.error").info("somebody else's server")

    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == [
        "somebody else's server"
    ]


def test_a_crash_of_the_sandbox_itself_is_logged(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client.sandbox._vendors["dipli"], "row_bytes", lambda _: 1 / 0)

    assert client.get("dipli", "/api/v2/orders/111111").status_code == 500
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


# The package.


def test_public_names_are_there_and_sorted() -> None:
    assert sorted(package.__all__, key=lambda name: (not name.isupper(), name)) == package.__all__
    for name in package.__all__:
        assert getattr(package, name).__class__
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = package.Nothing


@pytest.mark.parametrize("name", MODULES)
def test_each_module_says_what_it_offers(name: str) -> None:
    module = import_module(f"{package.__name__}.{name}")

    assert all(hasattr(module, word) for word in module.__all__)
    assert module.__doc__


def test_the_sandbox_uses_nothing_else_of_the_provider() -> None:
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert not re.match(r"airflow($|\.)|airflow_provider_orders\.(?!sandbox)", name)


def test_importing_the_package_loads_no_server() -> None:
    heavy = {"airflow", "msgspec", "starlette", "uvicorn"}
    code = f"import sys, {package.__name__}; print(sorted({heavy} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
