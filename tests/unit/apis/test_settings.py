from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_orders.apis.dipli import DipliApi, DipliSettings
from airflow_provider_orders.apis.genuka import GenukaSettings
from airflow_provider_orders.apis.popsell import PopsellSettings
from airflow_provider_orders.apis.query import OrderQuery
from airflow_provider_orders.apis.settings import ApiSettings, ConnectionFields
from airflow_provider_orders.apis.valomnia import ValomniaApi, ValomniaSettings
from airflow_provider_orders.errors import ConfigurationError
from airflow_provider_orders.export.state import Scope
from airflow_provider_orders.models.dipli import DipliOrder
from airflow_provider_orders.models.valomnia import ValomniaOrder

COMPANY = "01hqydxwtxdj3kmzp3bz7jk73g"


def dipli(**fields: Any) -> DipliSettings:
    return DipliSettings.from_connection(ConnectionFields(conn_id="c", **{"password": "key", **fields}))


def refused(model: type[ApiSettings], **fields: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        model.from_connection(ConnectionFields(conn_id="my_conn", **{"password": "canary-secret", **fields}))
    assert "my_conn" in str(caught.value)
    assert "canary" not in str(caught.value)
    return caught.value


class TestHost:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({}, "https://bi.agora.place"),
            ({"host": "shop.example.com"}, "https://shop.example.com"),
            ({"host": "https://shop.example.com/"}, "https://shop.example.com"),
            ({"host": "https://shop.example.com:8443/base/"}, "https://shop.example.com:8443/base"),
            ({"host": "shop.example.com", "port": 8443}, "https://shop.example.com:8443"),
            ({"host": "shop.example.com", "schema": "https"}, "https://shop.example.com"),
            ({"host": "localhost:8765/dipli", "schema": "http"}, "http://localhost:8765/dipli"),
            ({"host": "http://127.0.0.1:8765/dipli"}, "http://127.0.0.1:8765/dipli"),
            ({"host": "http://[::1]:8765"}, "http://[::1]:8765"),
            ({"host": "http://intranet", "extra": {"allow_http": True}}, "http://intranet"),
            ({"host": "http://intranet", "extra": {"allow_http": "true"}}, "http://intranet"),
            ({"host": " shop.example.com "}, "https://shop.example.com"),
        ],
    )
    def test_it_is_read_as_people_write_it(self, fields: dict[str, Any], expected: str) -> None:
        assert dipli(**fields).base_url == expected

    @pytest.mark.parametrize(
        "host",
        [
            "https://",
            "https:///orders",
            "shop example.com",
            "https://user:secret@shop.example.com",
            "https://shop.example.com?x=1",
            "https://shop.example.com#x",
            "ftp://shop.example.com",
            "https://shop.example.com:port",
            "https://shop.example.com:99999",
            "[",
        ],
    )
    def test_what_is_no_address_is_refused(self, host: str) -> None:
        assert refused(DipliSettings, host=host).field == "host"

    @pytest.mark.parametrize(
        "host", ["http://shop.example.com", "http://10.0.0.5", "http://localhost.evil.test"]
    )
    def test_plain_http_to_a_remote_host_is_refused(self, host: str) -> None:
        error = refused(DipliSettings, host=host)
        assert error.field == "host"
        assert "allow_http" in str(error)

    def test_popsell_has_no_default_host(self) -> None:
        assert refused(PopsellSettings).field == "host"

    def test_an_unknown_scheme_field_is_refused(self) -> None:
        assert refused(DipliSettings, schema="ftp").field == "schema"

    @given(st.text(max_size=60))
    def test_any_text_gives_a_host_or_a_clear_error(self, host: str) -> None:
        try:
            settings = dipli(host=host)
        except ConfigurationError as error:
            assert error.field == "host"  # noqa: PT017 - both ends are fine, neither may be missed
        else:
            assert settings.origin.host


class TestFields:
    @pytest.mark.parametrize(
        ("model", "fields", "name"),
        [
            (DipliSettings, {"password": None}, "password"),
            (DipliSettings, {"password": ""}, "password"),
            (DipliSettings, {"extra": {"page_size": 101}}, "page_size"),
            (DipliSettings, {"extra": {"page_size": 0}}, "page_size"),
            (DipliSettings, {"extra": {"page_size": "many"}}, "page_size"),
            (DipliSettings, {"extra": {"concurrency": 0}}, "concurrency"),
            (DipliSettings, {"extra": {"timeout_s": -1}}, "timeout_s"),
            (DipliSettings, {"extra": {"requests_per_minute": 0}}, "requests_per_minute"),
            (DipliSettings, {"extra": {"assumed_timezone": "Europe/Atlantis"}}, "assumed_timezone"),
            (DipliSettings, {"extra": {"allow_http": "perhaps"}}, "allow_http"),
            (DipliSettings, {"extra": {"console_url": "https://admin.example.com/orders"}}, "console_url"),
            (DipliSettings, {"extra": {"page_sise": 10}}, "page_sise"),
            (DipliSettings, {"extra": {"password": "x"}}, "password"),
            (DipliSettings, {"extra": {"seller": "my shop"}}, "seller"),
            (DipliSettings, {"extra": {"seller": "shop/1"}}, "seller"),
            (DipliSettings, {"extra": {"seller": "s" * 65}}, "seller"),
            (PopsellSettings, {"host": "h.example", "extra": {"auth": "magic"}}, "auth"),
            (PopsellSettings, {"host": "h.example", "extra": {"auth": "api_key"}}, "domain"),
            (PopsellSettings, {"host": "h.example", "extra": {"auth": "login", "domain": "d"}}, "login"),
            (PopsellSettings, {"host": "h.example", "extra": {"brand_id": "three"}}, "brand_id"),
            (ValomniaSettings, {"host": "h.example"}, "login"),
            (
                ValomniaSettings,
                {"host": "h.example", "login": "e", "extra": {"page_size": 1001}},
                "page_size",
            ),
            (
                ValomniaSettings,
                {"host": "h.example", "login": "e", "extra": {"api_version": "2.1"}},
                "api_version",
            ),
            (GenukaSettings, {}, "company_id"),
            (GenukaSettings, {"extra": {"company_id": ""}}, "company_id"),
            (GenukaSettings, {"extra": {"company_id": "too short"}}, "company_id"),
            (GenukaSettings, {"extra": {"company_id": COMPANY, "auth": "magic"}}, "auth"),
            (GenukaSettings, {"extra": {"company_id": COMPANY, "auth": "login"}}, "login"),
            (GenukaSettings, {"extra": {"company_id": COMPANY, "api_version": "v1"}}, "api_version"),
        ],
    )
    def test_a_wrong_one_is_named(self, model: type[ApiSettings], fields: dict[str, Any], name: str) -> None:
        error = refused(model, **fields)
        assert error.field == name
        assert name in str(error)

    def test_absent_extras_get_defaults_and_null_counts_as_absent(self) -> None:
        settings = dipli(extra={"page_size": None, "concurrency": "", "assumed_timezone": None})
        assert (settings.page_size, settings.concurrency, settings.timeout_s) == (100, 4, 30)

    def test_numbers_may_be_texts_as_the_form_of_3_1_stores_them(self) -> None:
        assert dipli(extra={"page_size": "20", "timeout_s": "1.5"}).page_size == 20

    def test_the_secret_is_in_no_repr(self) -> None:
        fields = ConnectionFields(conn_id="c", login="canary", password="canary", extra={"page_size": 1})
        assert "canary" not in repr(fields)
        assert "canary" not in repr(DipliSettings.from_connection(fields))

    def test_the_account_is_what_tells_customers_apart(self) -> None:
        def fields(**extra: Any) -> ConnectionFields:
            return ConnectionFields(conn_id="c", host="api.example.com", password="k", login="e", extra=extra)

        assert GenukaSettings.from_connection(fields(company_id=COMPANY)).account == COMPANY
        assert PopsellSettings.from_connection(fields(domain="shop.example")).account == "shop.example"
        assert PopsellSettings.from_connection(fields()).account == "api.example.com"
        assert ValomniaSettings.from_connection(fields()).account == "api.example.com"

    def test_two_brands_of_a_popsell_shop_are_two_accounts(self) -> None:
        def account(**extra: Any) -> str:
            fields = ConnectionFields(conn_id="c", host="api.example.com", password="k", extra=extra)
            return PopsellSettings.from_connection(fields).account

        assert account(brand_id=0) == "api.example.com-0"
        assert account(brand_id="12", domain="shop.example") == "shop.example-12"

    def test_two_dipli_sellers_are_two_accounts_though_they_share_the_host(self) -> None:
        def account(conn_id: str, **extra: Any) -> str:
            fields = ConnectionFields(conn_id=conn_id, password="k", extra=extra)
            return DipliSettings.from_connection(fields).account

        assert (account("dipli_fr"), account("dipli_de")) == ("dipli_fr", "dipli_de")
        assert (
            account("dipli_fr", seller="Shop.1-eu_")
            == account("dipli_new", seller="Shop.1-eu_")
            == "Shop.1-eu_"
        )

    def test_two_dipli_sellers_share_no_state(self) -> None:
        def scope(conn_id: str) -> Scope:
            fields = ConnectionFields(conn_id=conn_id, password="k")
            return Scope.of(DipliApi(DipliSettings.from_connection(fields)), OrderQuery())

        assert scope("dipli_fr").key != scope("dipli_de").key


class TestTheBackOffice:
    @pytest.mark.parametrize(
        ("pattern", "extra"),
        [
            ("https://admin.example.com/orders/{order_id}", {}),
            ("https://admin.example.com:8443/#/orders/{order_id}?tab=lines", {}),
            ("https://admin.example.com/?from={order_id}&to={order_id}", {}),
            ("http://localhost:8080/orders/{order_id}", {}),
            ("http://intranet/orders/{order_id}", {"allow_http": True}),
        ],
    )
    def test_is_where_the_connection_says(self, pattern: str, extra: dict[str, Any]) -> None:
        settings = dipli(extra={"console_url": pattern, **extra})

        assert DipliApi(settings).order_page("7/ä") == pattern.replace("{order_id}", "7%2F%C3%A4")

    @pytest.mark.parametrize(
        ("pattern", "reason"),
        [
            ("https://admin.example.com/orders", "must hold {order_id}"),
            ("https://admin.example.com/{shop}/{order_id}", "no other braces"),
            ("https://admin.example.com/{order_id", "must hold"),
            ("https://admin.example.com/{{ order_id }}", "must hold"),
            ("https://{order_id}.example.com/orders", "name of the host"),
            ("https://canary:canary@admin.example.com/{order_id}", "holds a user name"),
            ("https://canary@admin.example.com/{order_id}", "holds a user name"),
            ("http://admin.example.com/{order_id}", "plain http"),
            ("admin.example.com/{order_id}", "is no address"),
            ("javascript:alert({order_id})", "is no address"),
            ("https:///{order_id}", "is no address"),
            ("https://admin.example.com/ {order_id}", "is no address"),
            ("https://admin.example.com/\n{order_id}", "is no address"),
            (7, "valid string"),
        ],
    )
    def test_that_cannot_be_meant_is_refused(self, pattern: object, reason: str) -> None:
        error = refused(DipliSettings, extra={"console_url": pattern})

        assert error.field == "console_url"
        assert reason in str(error)

    def test_is_nowhere_by_default(self) -> None:
        assert DipliApi(dipli()).order_page("7") is None

    def test_is_where_the_vendor_documents_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(DipliApi, "console_url", "https://console.example.com/{order_id}")

        assert DipliApi(dipli()).order_page("7") == "https://console.example.com/7"
        own = dipli(extra={"console_url": "https://own.example.com/{order_id}"})
        assert DipliApi(own).order_page("7") == "https://own.example.com/7"


class TestTheDocumentOfAnOrder:
    def page_of(self, address: str | None) -> str | None:
        fields = ConnectionFields(conn_id="c", host="shop.example.com", login="e", password="k")
        order = ValomniaOrder.model_construct(id=7, pdfUrl=address)
        return ValomniaApi(ValomniaSettings.from_connection(fields)).document_page(order)

    def test_is_where_the_order_says(self) -> None:
        address = "https://shop.example.com/orderPDF/7.pdf"

        assert self.page_of(address) == address

    @pytest.mark.parametrize(
        "address",
        [
            None,
            "",
            "/orderPDF/7.pdf",
            "javascript:alert(1)",
            "http://shop.example.com/7.pdf",
            "https://user:secret@shop.example.com/7.pdf",
            "https://shop.example.com/7.pdf?signature=secret",
            "https://shop.example.com/7.pdf#secret",
            "https://shop.example.com/7 .pdf",
        ],
    )
    def test_is_not_shown_where_it_is_not_for_everybody(self, address: str | None) -> None:
        assert self.page_of(address) is None

    def test_is_none_where_the_vendor_has_none(self) -> None:
        assert DipliApi(dipli()).document_page(DipliOrder.model_construct(id=7)) is None
