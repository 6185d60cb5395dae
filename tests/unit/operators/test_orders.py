"""The operators as tasks: what comes out, through XCom, of each vendor."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_orders.errors import ConfigurationError, OrderNotFoundError, UnexpectedPayloadError
from airflow_provider_orders.models.order import Order
from airflow_provider_orders.operators.orders import GetOrderOperator, ListOrdersOperator
from tests.unit.export.exports import context
from tests.unit.hooks.connect import AMOUNTS, ID_FIELDS, LISTINGS, VENDORS, an_order, secrets_in, truth
from tests.unit.operators.dags import note_errors

if TYPE_CHECKING:
    from airflow_provider_orders.sandbox import Sandbox
    from tests.conftest import DagRunner

MASK = "***"
PERSONAL = re.compile(
    r"email|firstname|lastname|first_name|last_name|phone|street|shipping_address_json|deliveryAddress|comment|line1"
)


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def personal(content: Any, name: str = "") -> list[Any]:
    """Collect the values of fields whose name says that they tell something about a person."""
    if isinstance(content, dict):
        return [value for key, item in content.items() for value in personal(item, key)]
    if isinstance(content, list):
        return [value for item in content for value in personal(item, name)]
    return [content] if PERSONAL.search(name) and content not in (None, "") else []


def floats(content: Any) -> list[float]:
    """Collect every float."""
    if isinstance(content, dict):
        return [value for item in content.values() for value in floats(item)]
    if isinstance(content, list):
        return [value for item in content for value in floats(item)]
    return [content] if isinstance(content, float) else []


def get(conn_id: str, order_id: Any, **arguments: Any) -> Any:
    operator = GetOrderOperator(task_id="get", orders_conn_id=conn_id, order_id=order_id, **arguments)
    return operator.execute(context())


def listed(conn_id: str, **arguments: Any) -> Any:
    return ListOrdersOperator(task_id="list", orders_conn_id=conn_id, **arguments).execute(context())


class TestGetOrder:
    @pytest.mark.parametrize("output", ["canonical", "vendor", "raw"])
    def test_comes_through_xcom(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, vendor: str, output: str
    ) -> None:
        order_id, payload = an_order(orders_sandbox, vendor)
        seen: list[Any] = []
        with DAG(f"get_{vendor}_{output}", schedule=None) as dag:
            order = GetOrderOperator(
                task_id="get", orders_conn_id=f"{vendor}_default", order_id=order_id, output=output
            )

            @task
            def take(found: Any) -> None:
                seen.append(found)

            take(order.output)
        assert dag_runner(dag).state == "success"
        (found,) = seen
        assert found == get(f"{vendor}_default", order_id, output=output)  # nothing was lost on the way
        if output == "canonical":
            assert set(found) == set(Order.model_fields) | {"content_hash"}
            assert (found["source"], found["id"]) == (vendor, order_id)
        else:
            assert str(found[ID_FIELDS[vendor]]) == order_id
        amount = {"canonical": "total"}.get(output, AMOUNTS[vendor])
        expected = Decimal(str(payload[AMOUNTS[vendor]]))
        if output == "canonical" and vendor == "dipli":
            expected /= 100
        assert Decimal(str(found[amount])) == expected
        assert isinstance(found[amount], str) == (output != "raw" and (output, vendor) != ("vendor", "dipli"))

    @pytest.mark.parametrize("output", ["canonical", "vendor", "raw"])
    def test_holds_no_personal_data(self, orders_sandbox: Sandbox, vendor: str, output: str) -> None:
        for order_id, payload in list(truth(orders_sandbox, vendor).items())[:60:12]:
            found = get(f"{vendor}_default", order_id, output=output)
            assert set(map(str, personal(found))) <= {MASK}
            text = json.dumps(found, allow_nan=False, ensure_ascii=False)
            assert secrets_in(text) == []
            # Names, streets and phones, wherever they may stand.
            told = {value for value in personal(payload) if isinstance(value, str) and len(value) > 7}
            assert [value for value in told if value in text] == []

    @pytest.mark.parametrize("output", ["canonical", "vendor"])
    def test_holds_no_float(self, orders_sandbox: Sandbox, vendor: str, output: str) -> None:
        order_id, _ = an_order(orders_sandbox, vendor)
        assert floats(get(f"{vendor}_default", order_id, output=output)) == []

    def test_an_unknown_order_fails_the_task(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failures = note_errors(monkeypatch, GetOrderOperator)
        with DAG("get_unknown", schedule=None) as dag:
            GetOrderOperator(
                task_id="get",
                orders_conn_id="dipli_default",
                order_id="987654321",
            )
        assert dag_runner(dag).state == "failed"
        assert [type(failure) for failure in failures] == [OrderNotFoundError]
        assert orders_sandbox.requests[-1].status == 404

    @pytest.mark.parametrize("vendor", ["valomnia", "genuka"])
    def test_every_templated_field_is_rendered(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, vendor: str
    ) -> None:
        order_id, payload = an_order(orders_sandbox, vendor)
        seen: list[Any] = []
        with DAG(f"get_templates_{vendor}", schedule=None, params={"conn": "", "order": "", "by": ""}) as dag:
            order = GetOrderOperator(
                task_id="get",
                orders_conn_id="{{ params.conn }}",
                order_id="{{ params.order }}",
                by="{{ params.by }}",
            )

            @task
            def take(found: Any) -> None:
                seen.append(found["id"])

            take(order.output)
        conf = {"conn": f"{vendor}_default", "order": payload["reference"], "by": "reference"}
        assert dag_runner(dag, conf=conf).state == "success"
        assert seen == [order_id]

    def test_one_task_for_each_order(self, orders_sandbox: Sandbox, dag_runner: DagRunner) -> None:
        ids = [an_order(orders_sandbox, "dipli", number)[0] for number in (3, 5, 8)]
        seen: list[Any] = []
        with DAG("get_mapped", schedule=None) as dag:
            found = GetOrderOperator.partial(
                task_id="get", orders_conn_id="dipli_default", output="vendor"
            ).expand(order_id=[ids[0], int(ids[1]), ids[2]])

            @task
            def take(found: Any) -> None:
                seen.extend(str(order["id"]) for order in found)

            take(found.output)
        assert dag_runner(dag).state == "success"
        assert sorted(seen) == ids

    def test_lines_when_asked_for(self, orders_sandbox: Sandbox) -> None:
        order_id = next(str(o["id"]) for o in orders_sandbox.payloads("valomnia") if o["orderLines"])
        assert get("valomnia_default", order_id)["lines"] is None
        lines = get("valomnia_default", order_id, with_lines=True)["lines"]
        assert lines
        assert all(isinstance(line["unit_price"], str) for line in lines)

    @pytest.mark.parametrize("order_id", [None, "", " ", [], ["1"], {}, True, 1.5, object()])
    @pytest.mark.parametrize("by", ["id", "reference"])
    def test_what_is_no_id_is_refused(self, orders_sandbox: Sandbox, order_id: Any, by: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            get("genuka_default", order_id, by=by)
        assert caught.value.field == "order_id"
        assert orders_sandbox.requests == []

    @pytest.mark.parametrize("output", ["canonical", "vendor", "raw"])
    def test_what_is_not_as_documented_is_refused(self, orders_sandbox: Sandbox, output: str) -> None:
        orders_sandbox.inject("redirect", vendor="dipli", location="/dipli/api/v2/orders")
        with pytest.raises(UnexpectedPayloadError, match="is not what dipli documents"):
            get("dipli_default", "7", output=output)


class TestListOrders:
    @pytest.mark.parametrize("output", ["canonical", "vendor"])
    def test_come_through_xcom(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner, vendor: str, output: str
    ) -> None:
        seen: list[Any] = []
        with DAG(f"list_{vendor}_{output}", schedule=None) as dag:
            orders = ListOrdersOperator(
                task_id="list", orders_conn_id=f"{vendor}_default", limit=60, output=output
            )

            @task
            def take(found: Any) -> None:
                seen.extend(found)

            take(orders.output)
        assert dag_runner(dag).state == "success"
        assert seen == listed(f"{vendor}_default", limit=60, output=output)
        id_field = "id" if output == "canonical" else ID_FIELDS[vendor]
        ids = {str(order[id_field]) for order in seen}
        assert len(ids) == 60
        assert ids < truth(orders_sandbox, vendor).keys()
        assert floats(seen) == []
        assert set(map(str, personal(seen))) <= {MASK}
        assert secrets_in(json.dumps(seen, allow_nan=False)) == []

    @pytest.mark.parametrize(
        ("limit", "warns"), [(1, True), ("7", True), (100, True), (229, True), (230, False), (1000, False)]
    )
    def test_the_limit_is_kept_and_told(
        self,
        orders_sandbox: Sandbox,
        caplog: pytest.LogCaptureFixture,
        limit: int | str,
        warns: bool,
    ) -> None:
        with caplog.at_level(logging.WARNING, logger="airflow_provider_orders"):
            found = listed("genuka_default", limit=limit)
        assert len(found) == len({order["id"] for order in found}) == min(230, int(limit))
        said = [record.getMessage() for record in caplog.records if "orders match" in record.getMessage()]
        assert len(said) == warns
        assert all(f"More than {limit} orders" in words for words in said)
        assert orders_sandbox.requests

    def test_the_default_limit_is_100(self, orders_sandbox: Sandbox, vendor: str) -> None:
        assert len(listed(f"{vendor}_default")) == 100
        assert orders_sandbox.requests

    def test_a_small_limit_does_not_read_everything(self, orders_sandbox: Sandbox) -> None:
        listed("dipli_default", limit=5)
        assert len(orders_sandbox.requests) == 1

    @pytest.mark.parametrize("limit", [0, -1, 1001, "many", "", None, 1.5, True, [5]])
    def test_a_limit_that_makes_no_sense_is_refused(self, orders_sandbox: Sandbox, limit: Any) -> None:
        with pytest.raises(ConfigurationError, match="whole number from 1 to 1000") as caught:
            listed("dipli_default", limit=limit)
        assert caught.value.field == "limit"
        assert orders_sandbox.requests == []

    def test_every_templated_field_is_rendered(self, orders_sandbox: Sandbox, dag_runner: DagRunner) -> None:
        seen: list[Any] = []
        with DAG(
            "list_templates",
            schedule="@daily",
            start_date=datetime(2025, 1, 1, tzinfo=UTC),
            params={"conn": "genuka_default", "words": "delivered", "most": 1000, "state": 3},
        ) as dag:
            orders = ListOrdersOperator(
                task_id="list",
                orders_conn_id="{{ params.conn }}",
                updated_from="{{ data_interval_start - macros.timedelta(days=30) }}",
                updated_to="{{ data_interval_end }}",
                created_from="{{ '2025-01-01T00:00:00Z' }}",
                created_to="{{ ts }}",
                statuses="{{ params.words }}",
                ambassador_id="{{ '' }}",
                vendor_params={"filter[state]": "{{ params.state }}"},
                limit="{{ params.most }}",
            )

            @task
            def take(found: Any) -> None:
                seen.extend(order["id"] for order in found)

            take(orders.output)
        end = datetime(2025, 12, 20, tzinfo=UTC)
        assert dag_runner(dag, logical_date=end).state == "success"
        (query, *_) = [request.query for request in orders_sandbox.requests]
        assert query["filter[updated_at][start]"] == "2025-11-19T23:59:59Z"
        assert query["filter[updated_at][end]"] == "2025-12-20T00:00:00Z"
        assert query["filter[created_at][start]"] == "2024-12-31T23:59:59Z"
        assert query["filter[created_at][end]"] == "2025-12-20T00:00:00Z"
        assert query["filter[shipping->status]"] == "delivered"
        assert query["filter[state]"] == "3"
        assert set(seen) == {
            order_id
            for order_id, order in truth(orders_sandbox, "genuka").items()
            if datetime(2025, 11, 20, tzinfo=UTC) <= datetime.fromisoformat(order["updated_at"]) < end
            and datetime.fromisoformat(order["created_at"]) < end
            and (order["shipping"] or {}).get("status") == "delivered"
            and order["state"] == 3
        }

    def test_one_ambassador_by_template(self, orders_sandbox: Sandbox, dag_runner: DagRunner) -> None:
        numbers = sorted(
            {o["ambassador"]["id_ambassador"] for o in orders_sandbox.payloads("popsell") if o["ambassador"]}
        )[:3]
        seen: list[Any] = []
        with DAG("list_mapped", schedule=None) as dag:
            orders = ListOrdersOperator.partial(
                task_id="list", orders_conn_id="popsell_default", output="vendor"
            ).expand(ambassador_id=numbers)

            @task
            def take(found: Any) -> None:
                seen.extend(len(orders) for orders in found)

            take(orders.output)
        assert dag_runner(dag).state == "success"
        assert seen == [
            len(
                [
                    o
                    for o in orders_sandbox.payloads("popsell")
                    if o["ambassador"] and o["ambassador"]["id_ambassador"] == number
                ]
            )
            for number in numbers
        ]

    def test_the_dags_own_params_are_no_filters(self, orders_sandbox: Sandbox, dag_runner: DagRunner) -> None:
        with DAG("list_params", schedule=None, params={"operationType": "INVOICE", "limit": 3}) as dag:
            ListOrdersOperator(
                task_id="list",
                orders_conn_id="valomnia_default",
                params={"reference": "x"},
                vendor_params={"operationType": "ORDER"},
            )
        assert dag_runner(dag).state == "success"
        queries = [r.query for r in orders_sandbox.requests if LISTINGS["valomnia"] in r.path]
        assert {query["operationType"] for query in queries} == {"ORDER"}
        assert all("reference" not in query and "limit" not in query for query in queries)

    def test_statuses_may_be_a_list_of_templates_or_native(
        self, orders_sandbox: Sandbox, dag_runner: DagRunner
    ) -> None:
        seen: list[Any] = []
        with DAG(
            "list_native",
            schedule=None,
            render_template_as_native_obj=True,
            params={"words": ["shipped", "cancelled"]},
        ) as dag:
            orders = ListOrdersOperator(
                task_id="list",
                orders_conn_id="dipli_default",
                statuses="{{ params.words }}",
                limit="{{ 500 }}",
            )

            @task
            def take(found: Any) -> None:
                seen.extend(order["fulfillment_status"] for order in found)

            take(orders.output)
        assert dag_runner(dag).state == "success"
        assert set(seen) == {"delivered", "cancelled"}
        assert orders_sandbox.requests
