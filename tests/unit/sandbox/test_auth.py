from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_orders.sandbox import credentials
from tests.unit.sandbox.clients import LISTS, VENDORS, Client

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox

DOMAIN: dict[str, str | None] = {"X-Popsell-Domain": credentials.POPSELL_DOMAIN}
COMPANY = {"X-Company": credentials.GENUKA_COMPANY_ID}


def bearer(token: str) -> dict[str, str | None]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_good_credentials_read_orders(client: Client, vendor: str) -> None:
    assert client.get(vendor).status_code == 200
    assert client.sandbox.requests[-1].authenticated


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_credentials_read_nothing(client: Client, vendor: str) -> None:
    answer = client.send("GET", f"/{vendor}{LISTS[vendor]}")

    assert answer.status_code in {401, 302}
    assert not client.sandbox.requests[-1].authenticated


# Popsell.


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("token", {"api_key": credentials.POPSELL_API_KEY}),
        ("login", {"email": credentials.POPSELL_EMAIL, "password": credentials.POPSELL_PASSWORD}),
    ],
)
def test_popsell_gives_a_token_that_reads_orders(client: Client, path: str, body: dict[str, str]) -> None:
    answer = client.send("POST", f"/popsell/api/v2/auth/{path}", DOMAIN, json=body)

    assert answer.status_code == 200
    token = answer.json()["token"]
    assert client.get("popsell", headers=bearer(token)).status_code == 200
    assert ("user" in answer.json()) == (path == "login")


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("token", {"api_key": "wrong"}, "Unauthorized."),
        ("login", {"email": credentials.POPSELL_EMAIL, "password": "wrong"}, "Invalid email or password"),
    ],
)
def test_popsell_refuses_wrong_sign_ins(
    client: Client, path: str, body: dict[str, str], message: str
) -> None:
    answer = client.send("POST", f"/popsell/api/v2/auth/{path}", DOMAIN, json=body)

    assert (answer.status_code, answer.json()) == (401, {"message": message})


@pytest.mark.parametrize(
    ("headers", "body", "missing"),
    [
        (DOMAIN, {}, ["api_key"]),
        ({}, {"api_key": credentials.POPSELL_API_KEY}, ["X-Popsell-Domain"]),
        ({}, {}, ["api_key", "X-Popsell-Domain"]),
    ],
)
def test_popsell_names_what_a_sign_in_lacks(
    client: Client, headers: dict[str, str | None], body: dict[str, str], missing: list[str]
) -> None:
    answer = client.send("POST", "/popsell/api/v2/auth/token", headers, json=body)

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == missing
    assert ("(and 1 more error)" in answer.json()["message"]) == (len(missing) == 2)


def test_popsell_refuses_another_domain(client: Client) -> None:
    headers: dict[str, str | None] = {"X-Popsell-Domain": "elsewhere.example.com"}
    body = {"api_key": credentials.POPSELL_API_KEY}

    assert client.send("POST", "/popsell/api/v2/auth/token", headers, json=body).status_code == 401


def test_popsell_refuses_a_token_after_logout(client: Client) -> None:
    token = client.send(
        "POST", "/popsell/api/v2/auth/token", DOMAIN, json={"api_key": credentials.POPSELL_API_KEY}
    ).json()["token"]

    answer = client.send("POST", "/popsell/api/v2/auth/logout", {**DOMAIN, **bearer(token)})

    assert answer.json() == {"message": "Successfully logged out"}
    assert client.get("popsell", headers=bearer(token)).json() == {"message": "Unauthorized."}


def test_popsell_lets_a_partner_read_the_platform_only(client: Client) -> None:
    partner = bearer(credentials.POPSELL_PLATFORM_TOKEN)

    assert client.get("popsell", "/api/v2/platform/ambassadors/101/orders", partner).status_code == 200
    assert client.get("popsell", "/api/v2/manager/orders", partner).status_code == 403


def test_popsell_lets_a_guest_read_nothing(client: Client) -> None:
    guest = client.send("POST", "/popsell/api/v2/auth/guest", DOMAIN).json()["token"]

    for token in (guest, credentials.POPSELL_FORBIDDEN_TOKEN):
        assert client.get("popsell", headers=bearer(token)).status_code == 403


def test_popsell_key_without_permission_signs_in_and_reads_nothing(client: Client) -> None:
    body = {"api_key": credentials.POPSELL_FORBIDDEN_API_KEY}
    token = client.send("POST", "/popsell/api/v2/auth/token", DOMAIN, json=body).json()["token"]

    assert client.get("popsell", headers=bearer(token)).status_code == 403


# Dipli.


@pytest.mark.parametrize(
    ("key", "status", "words"),
    [
        ("wrong", 401, "Unauthorized"),
        ("", 401, "Unauthorized"),
        (None, 401, "Unauthorized"),
        (credentials.DIPLI_FORBIDDEN_API_KEY, 403, "Forbidden"),
    ],
)
def test_dipli_refuses_other_keys(client: Client, key: str | None, status: int, words: str) -> None:
    answer = client.get("dipli", headers={"apikey": key})

    assert (answer.status_code, answer.json()) == (status, {"code": status, "msg": words})


# Valomnia.


def test_valomnia_login_takes_two_steps(client: Client) -> None:
    first = client.log_in()

    assert first.status_code == 302
    assert first.headers["Location"] == f"{client.sandbox.url}/valomnia/login/ajaxSuccess"
    assert first.headers["Set-Cookie"].endswith("; Path=/; HttpOnly")
    session = first.cookies["JSESSIONID"]
    assert len(session) == 32
    for method in ("GET", "POST"):
        second = client.send(method, "/valomnia/login/ajaxSuccess").json()
        assert (second["success"], second["token"]) == (True, session)
        assert second["user"]["email"] == credentials.VALOMNIA_EMAIL


def test_valomnia_login_takes_its_parameters_from_the_query_too(client: Client) -> None:
    query = {
        "j_username": credentials.VALOMNIA_EMAIL,
        "j_password": credentials.VALOMNIA_PASSWORD,
        "ajax": "true",
    }

    client.send("POST", "/valomnia/j_spring_security_check", params=query)

    assert client.get("valomnia").status_code == 200


@pytest.mark.parametrize(
    ("email", "password"), [(credentials.VALOMNIA_EMAIL, "wrong"), ("nobody@example.com", "x")]
)
def test_valomnia_wrong_login_leads_to_a_failure_that_is_told_with_200(
    client: Client, email: str, password: str
) -> None:
    first = client.log_in(email, password)

    assert first.headers["Location"] == f"{client.sandbox.url}/valomnia/login/authfail?ajax=true"
    assert "Set-Cookie" not in first.headers
    second = client.send("GET", "/valomnia/login/authfail?ajax=true")
    assert (second.status_code, list(second.json())) == (200, ["error"])


def test_valomnia_without_ajax_leads_to_the_start_page(client: Client) -> None:
    form = {"j_username": credentials.VALOMNIA_EMAIL, "j_password": credentials.VALOMNIA_PASSWORD}

    answer = client.send("POST", "/valomnia/j_spring_security_check", data=form)

    assert answer.headers["Location"] == f"{client.sandbox.url}/valomnia/"


def test_valomnia_answers_a_dead_session_in_each_reported_way(client: Client, sandbox: Sandbox) -> None:
    client.log_in()
    sandbox.expire_sessions("valomnia")

    first, second, third = (client.get("valomnia") for _ in range(3))

    assert (first.status_code, first.headers["Location"]) == (302, f"{sandbox.url}/valomnia/login/auth")
    assert (second.status_code, second.json()) == (401, {"error": "no_credentials"})
    assert (third.status_code, third.json()) == (200, {"error": "no_credentials"})


def test_valomnia_visitor_logs_in_and_reads_nothing(client: Client) -> None:
    client.log_in(credentials.VALOMNIA_FORBIDDEN_EMAIL)

    assert client.get("valomnia").status_code == 403


def test_valomnia_sessions_live_side_by_side(client: Client, sandbox: Sandbox) -> None:
    with Client(sandbox) as other:
        assert other.get("valomnia").status_code == 200
        assert client.get("valomnia").status_code == 200
        assert other.get("valomnia").status_code == 200


# Genuka.


def genuka_login(client: Client, **body: Any) -> Any:
    return client.send("POST", "/genuka/2023-11/auth/login", json=body)


def test_genuka_login_gives_a_token_that_reads_orders(client: Client) -> None:
    answer = genuka_login(client, email=credentials.GENUKA_EMAIL, password=credentials.GENUKA_PASSWORD).json()

    assert answer["companyId"] == credentials.GENUKA_COMPANY_ID
    headers = {**COMPANY, **bearer(answer["accessToken"]), "X-API-Key": None}
    assert client.get("genuka", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ({"X-API-Key": None}, 401, {"message": "Unauthenticated."}),
        ({"X-API-Key": None, **bearer("wrong")}, 401, {"message": "Unauthenticated."}),
        ({"X-API-Key": ""}, 401, {"code": 401, "message": "API key is missing"}),
        ({"X-API-Key": "wrong"}, 401, {"code": 401, "message": "Invalid API key"}),
        (
            {"X-API-Key": credentials.GENUKA_SANDBOX_API_KEY},
            403,
            {"code": 403, "message": "Sandbox key not allowed for live operation"},
        ),
        (
            {"X-Company": None},
            422,
            {"message": "Please provide a Company Id", "error": "company_id_required", "code": 400},
        ),
        (
            {"X-Company": credentials.GENUKA_OTHER_COMPANY_ID},
            401,
            {
                "message": "You don't have the permission to manage this company. "
                f"Company ID: {credentials.GENUKA_OTHER_COMPANY_ID}",
                "error": "unauthenticated",
                "code": 401,
            },
        ),
        (
            {"X-API-Key": credentials.GENUKA_FORBIDDEN_API_KEY},
            403,
            {"message": "You don't have access to this.", "error": "invalid_scope", "code": 403},
        ),
        (
            {"X-API-Key": None, **bearer(credentials.GENUKA_FORBIDDEN_TOKEN)},
            403,
            {"message": "You don't have access to this.", "error": "invalid_scope", "code": 403},
        ),
    ],
)
def test_genuka_refuses_as_documented(
    client: Client, headers: dict[str, str | None], status: int, body: dict[str, Any]
) -> None:
    answer = client.get("genuka", headers=headers)

    assert (answer.status_code, answer.json()) == (status, body)


def test_genuka_static_token_reads_orders(client: Client) -> None:
    headers = {"X-API-Key": None, **bearer(credentials.GENUKA_TOKEN)}

    assert client.get("genuka", headers=headers).status_code == 200


def test_genuka_wrong_password_is_refused_in_both_recorded_ways(client: Client, sandbox: Sandbox) -> None:
    wrong = {"email": credentials.GENUKA_EMAIL, "password": "wrong"}
    assert genuka_login(client, **wrong).json() == {"message": "Invalid email or password.", "code": 401}

    sandbox.inject("server_error", vendor="genuka", path="/auth/login", status=500)
    answer = genuka_login(client, **wrong)

    assert (answer.status_code, answer.json()["message"]) == (500, "Invalid email or password.")
    assert "trace" in answer.json()


def test_genuka_names_what_a_login_lacks(client: Client) -> None:
    answer = genuka_login(client, email=credentials.GENUKA_EMAIL)

    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["password"])


def test_genuka_refresh_ends_older_tokens_and_logout_the_last(client: Client) -> None:
    login = {"email": credentials.GENUKA_EMAIL, "password": credentials.GENUKA_PASSWORD}
    old = genuka_login(client, **login).json()["accessToken"]

    new = client.send("POST", "/genuka/2023-11/user/refresh-token", bearer(old)).json()["accessToken"]

    for token, status in ((old, 401), (new, 200), (new, 401)):
        answer = client.get("genuka", headers={"X-API-Key": None, **bearer(token)})
        assert answer.status_code == status
        if status == 200:
            client.send("POST", "/genuka/2023-11/auth/logout", bearer(new))


def test_genuka_speaks_html_to_those_who_do_not_ask_for_json(client: Client) -> None:
    answer = client.get("genuka", headers={"X-API-Key": "wrong", "Accept": "*/*"})

    assert answer.status_code == 401
    assert answer.headers["Content-Type"].startswith("text/html")


def test_tokens_do_not_come_back_to_life_after_a_reset(client: Client, sandbox: Sandbox) -> None:
    body = {"api_key": credentials.POPSELL_API_KEY}
    old = client.send("POST", "/popsell/api/v2/auth/token", DOMAIN, json=body).json()["token"]

    sandbox.reset()
    new = client.send("POST", "/popsell/api/v2/auth/token", DOMAIN, json=body).json()["token"]

    assert old != new
    assert client.get("popsell", headers=bearer(old)).status_code == 401
