"""The target: its tables are made, extended or refused; it is whole whatever happens; and nobody reads what is private."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import sqlalchemy

from airflow_provider_orders.errors import ConfigurationError, OrdersError
from airflow_provider_orders.export.sinks.sql import SqlSink, TableNames
from airflow_provider_orders.export.sinks.sql.merge import Merge
from airflow_provider_orders.export.state import Scope, SyncState
from airflow_provider_orders.models.order import Customer, OrderLine
from tests.unit.export.sql_child import STEPS
from tests.unit.export.sql_targets import (
    MANIFEST,
    SCOPE,
    UrlDatabase,
    contents,
    do,
    export,
    only,
    order,
    query,
    tables,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services import Database

NAMES = ("orders", "order_lines", "orders_journal", "orders_rejects", "orders_sync_state")
CANARY = "Canary O'Personal canary@example.org"


_opened: list[SqlSink] = []


@pytest.fixture
def url(any_database: Database) -> Iterator[str]:
    yield any_database.url
    while _opened:
        _opened.pop().close()


def open_sink(url: str, scope: Scope = SCOPE, **options: Any) -> SqlSink:
    sink = SqlSink(UrlDatabase(url), **options)
    _opened.append(sink)
    sink.open(scope, incremental=False, complete=True)
    return sink


class TestTheTables:
    def test_are_made_when_they_are_missing(self, url: str) -> None:
        open_sink(url).close()
        assert tables(url) == set(NAMES)
        open_sink(url, with_raw=True, history=True).close()
        assert tables(url) == {*NAMES, "orders_raw", "orders_history"}

    @pytest.mark.parametrize(
        ("table", "lines"),
        [
            ("orders", "order_lines"),
            ("shop_orders", "shop_order_lines"),
            ("sales", "sales_lines"),
            ("Order", "Order_lines"),
        ],
    )
    def test_are_named_after_the_first(self, url: str, table: str, lines: str) -> None:
        export(url, [order(lines=(OrderLine(sku="S"),))], table=table, with_raw=True, history=True)
        assert TableNames.of(table).lines == lines
        assert {name.lower() for name in tables(url)} >= {lines.lower(), f"{table}_sync_state".lower()}
        assert export(url, [order(lines=(OrderLine(sku="S"),))], table=table).unchanged == 1

    @pytest.mark.parametrize("table", ["", "a.b", "1a", 'a"; DROP TABLE x', "a" * 49, "é", None, 5])
    def test_have_names_that_need_no_quotes(self, table: Any) -> None:
        with pytest.raises(ConfigurationError, match="table must be a name") as caught:
            SqlSink(UrlDatabase("sqlite://"), table=table)
        assert caught.value.field == "table"

    def test_lie_in_a_schema_of_their_own(self, postgres_database: Database) -> None:
        url = postgres_database.url
        with pytest.raises(ConfigurationError, match="There is no schema shop") as caught:
            open_sink(url, schema="shop")
        assert caught.value.field == "schema"
        do(url, "CREATE SCHEMA shop")
        export(url, [order()], schema="shop")
        assert only(query(url, "SELECT id FROM shop.orders"))["id"] == "1"
        assert tables(url) == set()

    def test_lie_in_another_database_of_the_server(self, mariadb_database: Database) -> None:
        url, other = mariadb_database.url, f"{mariadb_database.name}_other"
        with pytest.raises(ConfigurationError, match="There is no database"):
            open_sink(url, schema=other)
        do(url, f"CREATE DATABASE {other}")
        try:
            assert export(url, [order()], schema=other).unchanged == 0
            assert export(url, [order()], schema=other).unchanged == 1
            assert only(query(url, f"SELECT id FROM {other}.orders"))["id"] == "1"  # noqa: S608
        finally:
            do(url, f"DROP DATABASE {other}")

    def test_have_no_schema_in_sqlite(self, sqlite_database: Database) -> None:
        with pytest.raises(ConfigurationError, match="SQLite has no schemas"):
            open_sink(sqlite_database.url, schema="shop")

    def test_get_the_columns_that_they_lack(self, url: str) -> None:
        export(url, [order(reference="R", lines=(OrderLine(name="N", sku="S"),))])
        do(url, "ALTER TABLE orders DROP COLUMN reference", "ALTER TABLE orders DROP COLUMN paid")
        do(url, "ALTER TABLE order_lines DROP COLUMN name", "ALTER TABLE orders ADD COLUMN note VARCHAR(10)")
        export(url, [order("2", reference="R", paid=Decimal(1), lines=(OrderLine(name="N"),))])
        rows = query(url, "SELECT id, reference, paid, note FROM orders ORDER BY id")
        assert [row["reference"] for row in rows] == [None, "R"]
        assert [row["name"] for row in query(url, "SELECT name FROM order_lines ORDER BY order_id")] == [
            None,
            "N",
        ]

    @pytest.mark.parametrize(
        ("statement", "problem"),
        [
            (
                "CREATE TABLE orders (id INTEGER PRIMARY KEY, total FLOAT)",
                r"orders has no primary key \(source, account, id\)",
            ),
            ("CREATE TABLE order_lines (source VARCHAR(9))", "order_lines has no primary key"),
            ("CREATE VIEW orders AS SELECT 1 AS id", "orders has no primary key"),
            ("total FLOAT", "orders has a column total of the type (FLOAT|DOUBLE)"),
            ("total DECIMAL(12, 2)", "orders has a column total of the type (DECIMAL|NUMERIC)"),
            ("customer_id INTEGER", "orders has a column customer_id of the type INTEGER"),
            ("reference VARCHAR(5)", r"orders has a column reference of the type VARCHAR\(5\)"),
            ("created_at VARCHAR(50)", "orders has a column created_at of the type VARCHAR"),
            ("line_count BIGINT NOT NULL", "orders has a column line_count that is NOT NULL"),
            ("mine INTEGER NOT NULL", "orders has a column mine of its own that is NOT NULL"),
        ],
    )
    def test_of_another_shape_are_refused_and_left_alone(
        self, url: str, statement: str, problem: str
    ) -> None:
        if not statement.startswith("CREATE"):
            text = "VARCHAR(191)" if url.startswith("mysql") else "TEXT"
            keys = ", ".join(f"{name} {text} NOT NULL" for name in ("source", "account", "id"))
            statement = f"CREATE TABLE orders ({keys}, {statement}, PRIMARY KEY (source, account, id))"
        do(url, statement)
        before = contents(url)
        with pytest.raises(ConfigurationError, match=problem) as caught:
            open_sink(url)
        assert caught.value.field == "table"
        assert contents(url) == before

    def test_without_transactions_are_refused(self, mariadb_database: Database) -> None:
        columns = "source VARCHAR(9), account VARCHAR(9), order_id VARCHAR(9), position BIGINT"
        key = "PRIMARY KEY (source, account, order_id, position)"
        do(mariadb_database.url, f"CREATE TABLE order_lines ({columns}, {key}) ENGINE = MyISAM")
        with pytest.raises(
            ConfigurationError, match=r"order_lines has the engine MyISAM, .* ENGINE = InnoDB"
        ):
            open_sink(mariadb_database.url)

    def test_that_may_not_be_written_are_refused_before_the_first_request(
        self, postgres_database: Database
    ) -> None:
        url = postgres_database.url
        open_sink(url).close()
        reader = f"reader_{postgres_database.name}"
        do(
            url,
            f"CREATE ROLE {reader} LOGIN PASSWORD 'reader-password'",
            f"GRANT SELECT, INSERT ON orders TO {reader}",
        )
        try:
            with pytest.raises(ConfigurationError, match="permission denied for") as caught:
                open_sink(url.replace("orders:postgres-password", f"{reader}:reader-password"))
            assert "reader-password" not in str(caught.value)
        finally:
            do(url, f"DROP OWNED BY {reader}", f"DROP ROLE {reader}")

    def test_of_an_old_encoding_are_refused(self, postgres_database: Database) -> None:
        url, other = postgres_database.url, f"{postgres_database.name}_latin"
        engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(
                sqlalchemy.text(f"CREATE DATABASE {other} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
            )
            try:
                with pytest.raises(ConfigurationError, match="encoding LATIN1"):
                    open_sink(f"{url.rpartition('/')[0]}/{other}")
            finally:
                connection.execute(sqlalchemy.text(f"DROP DATABASE {other}"))
        engine.dispose()


class TestThePlace:
    def test_is_named_without_credentials(self, any_database: Database) -> None:
        sink = open_sink(any_database.url)
        sink.close()
        assert sink.uri.endswith("/orders")
        assert any_database.password is None or any_database.password not in sink.uri
        assert any_database.login is None or f"{any_database.login}:" not in sink.uri
        kind = {"postgres": "postgres://", "mysql": "mysql://", "sqlite": "sqlite:///"}[
            any_database.conn_type
        ]
        assert sink.uri.startswith(kind)


class TestADatabaseThatCannotBeUsed:
    def test_is_named_by_what_is_supported(self) -> None:
        engine = SimpleNamespace(dialect=SimpleNamespace(name="oracle"), dispose=lambda: None)
        hook = cast("Any", SimpleNamespace(get_sqlalchemy_engine=lambda _options: engine))
        with pytest.raises(
            ConfigurationError, match="oracle; orders can be written to PostgreSQL, MySQL, MariaDB and"
        ):
            SqlSink(hook).open(SCOPE, incremental=False)

    @pytest.mark.parametrize(
        "url", ["nosuch://user:hidden@host/db", "not a url hidden", "mysql+aiohttp://user:hidden@host/"]
    )
    def test_has_no_driver(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match="gives no way to its database") as caught:
            open_sink(url)
        assert caught.value.field == "sql_conn_id"
        assert "hidden" not in str(caught.value)

    def test_does_not_answer(self, any_database: Database, tmp_path: Path) -> None:
        if any_database.conn_type == "sqlite":
            url = f"sqlite:///{tmp_path / 'no' / 'folder'}/x.db"
        else:
            url = any_database.url.replace(f":{any_database.port}/", ":1/")
        with pytest.raises(ConfigurationError, match="The database cannot be reached") as caught:
            open_sink(url)
        assert any_database.password is None or any_database.password not in str(caught.value)
        assert caught.value.__cause__ is None

    def test_does_not_know_the_password(self, any_database: Database) -> None:
        if any_database.password is None:
            pytest.skip("SQLite has no passwords")
        with pytest.raises(
            ConfigurationError, match=r"password authentication failed|Access denied"
        ) as caught:
            open_sink(any_database.url.replace(any_database.password, "wrong-word"))
        assert "wrong-word" not in str(caught.value)


class TestTwoExportsAtOnce:
    def test_of_the_same_orders_wait_for_each_other(self, url: str) -> None:
        first = open_sink(url)
        states: list[SyncState | None] = []
        opened = threading.Event()

        def run_second() -> None:
            with SqlSink(UrlDatabase(url), run_key="second") as second:
                states.append(second.open(SCOPE, incremental=False))
                opened.set()
                second.write([second.render(order("1", reference="second"))])
                second.finish(None)
                second.commit(MANIFEST, None)

        thread = threading.Thread(target=run_second)
        thread.start()
        assert not opened.wait(0.6)
        state = SyncState(sequence=1, run_key="first")
        first.write([first.render(order("1", reference="first"))])
        first.finish(state)
        first.commit(MANIFEST, state)
        first.close()
        thread.join(30)
        assert states == [state]
        assert only(query(url, "SELECT reference FROM orders"))["reference"] == "second"

    def test_of_the_same_orders_fail_clearly_when_it_takes_too_long(self, url: str) -> None:
        first = open_sink(url)
        try:
            with pytest.raises(
                OrdersError, match=r"Another export is writing these orders to orders, .* within 0\.3 s"
            ):
                open_sink(url, lock_timeout_s=0.3)
        finally:
            first.close()
        open_sink(url, lock_timeout_s=0.3).close()

    @pytest.mark.parametrize("other", [{"scope": Scope("popsell", "other", "{}")}, {"table": "others"}])
    def test_of_other_orders_do_not_wait(self, url: str, other: dict[str, Any]) -> None:
        first = open_sink(url)
        second = open_sink(url, lock_timeout_s=0.3, **other)
        second.write([second.render(order(account="other"))])
        second.finish(None)
        second.commit(MANIFEST, None)
        second.close()
        first.write([first.render(order())])
        first.finish(None)
        first.commit(MANIFEST, None)
        first.close()
        assert len(query(url, "SELECT * FROM orders")) == (2 if "scope" in other else 1)

    def test_never_mix_where_the_lock_does_not_hold(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        first = open_sink(url)
        kind = type(first._dialect)
        monkeypatch.setattr(kind, "try_lock", lambda _dialect, _name: True)
        export(url, [order("1", reference="second")], state=SyncState(sequence=1, run_key="second"))
        before = contents(url)
        first.write([first.render(order("1", reference="first"))])
        with pytest.raises(OrdersError, match="Another export of these orders has committed"):
            first.finish(SyncState(sequence=1, run_key="first"))
        first.close()
        assert contents(url) == before

    def test_leave_no_file_beside_the_database(self, sqlite_database: Database) -> None:
        sink = open_sink(sqlite_database.url)
        folder = Path(sqlite_database.host).parent
        assert len(list(folder.glob("*.lock"))) == 1
        sink.close()
        assert list(folder.glob("*.lock")) == []


def _first_export(url: str) -> dict[str, Any]:
    """Commit some orders; the child then changes some, adds some and deletes some."""
    lines = (OrderLine(sku="old"),)
    export(
        url,
        [order(str(number), reference="old", lines=lines) for number in range(10)],
        state=SyncState(sequence=1, run_key="first"),
        run_key="first",
        with_raw=True,
        history=True,
    )
    return contents(url)


@pytest.mark.parametrize("step", STEPS)
def test_killed_export_leaves_the_target_as_before_or_whole(url: str, step: str) -> None:
    before = _first_export(url)
    child = subprocess.run(
        [sys.executable, "-m", "tests.unit.export.sql_child", json.dumps({"url": url, "die": step})],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    with SqlSink(UrlDatabase(url), run_key="third", lock_timeout_s=30) as sink:
        state = sink.open(SCOPE, incremental=False)
    assert state is not None
    if step != "committed":
        assert contents(url) == before
        assert state.sequence == 1
    else:
        assert state.sequence == 2
        assert len(query(url, "SELECT id FROM orders WHERE reference = 'new'")) == 1200
        assert len(query(url, "SELECT id FROM order_lines WHERE sku = 'new'")) == 1200


class TestALostConnection:
    @staticmethod
    def _kill(url: str, sink: SqlSink) -> None:
        if url.startswith("postgresql"):
            session = sink._dialect.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            query(url, "SELECT pg_terminate_backend(:session)", session=session)
        else:
            session = sink._dialect.connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar()
            do(url, f"KILL {session}")

    @pytest.mark.parametrize("step", ["open", "write", "finish"])
    def test_says_so_and_leaves_the_target_as_before(self, url: str, step: str) -> None:
        if url.startswith("sqlite"):
            pytest.skip("SQLite has no connection to lose")
        before = _first_export(url)
        sink = open_sink(url, with_raw=True, history=True)
        with pytest.raises(
            OrdersError, match=r"failed: .*put the database right, then run the task again"
        ) as caught:
            self._go_on(url, sink, step)
        assert any(word in str(caught.value) for word in ("terminat", "lost", "killed"))
        assert CANARY not in str(caught.value)
        assert caught.value.__cause__ is None
        sink.close()
        assert contents(url) == before
        export(url, [order("1", reference="new")], lock_timeout_s=5)

    def _go_on(self, url: str, sink: SqlSink, step: str) -> None:
        records = [order(str(number), customer=Customer(name=CANARY)) for number in range(1500)]
        if step == "open":
            self._kill(url, sink)
        sink.write([sink.render(record) for record in records])
        if step == "write":
            self._kill(url, sink)
        sink.finish(None)
        if step == "finish":
            self._kill(url, sink)
        sink.commit(MANIFEST, None)


class TestAFullDisk:
    def test_says_so_and_leaves_the_target_as_before(self, sqlite_database: Database) -> None:
        url = sqlite_database.url
        before = _first_export(url)
        sink = open_sink(url)
        sink._dialect.connection.exec_driver_sql("PRAGMA max_page_count = 40")
        sink.write(
            [sink.render(order(str(number), customer=Customer(name=CANARY))) for number in range(3000)]
        )
        with pytest.raises(
            OrdersError, match=r"database or disk is full\. orders is as it was before"
        ) as caught:
            sink.finish(None)
        sink.close()
        assert CANARY not in str(caught.value)
        assert contents(url) == before


class TestWhatIsPrivate:
    def test_stays_out_of_errors_logs_and_reprs(self, url: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        export(url, [order("1", customer=Customer(name=CANARY))], rejects=[(CANARY.encode(), "bad")])
        constraint = "ALTER TABLE orders ADD CONSTRAINT few CHECK (customer_name IS NULL)"
        if url.startswith("sqlite"):
            constraint = "CREATE TRIGGER few BEFORE INSERT ON orders BEGIN SELECT RAISE(ABORT, 'refused by a trigger'); END"
        do(url, "DELETE FROM orders", constraint)
        sink = open_sink(url, with_raw=True, history=True)
        sink.write([sink.render(order("2", customer=Customer(name=CANARY), raw=json.dumps(CANARY).encode()))])
        with pytest.raises(OrdersError, match="Bringing the orders into the table failed") as caught:
            sink.finish(None)
        sink.close()
        texts = [str(caught.value), repr(caught.value), repr(sink), repr(vars(sink)["_session"]), caplog.text]
        for text in texts:
            assert "Canary" not in text
            assert "canary@" not in text
        assert caught.value.__cause__ is None

    def test_is_not_in_an_error_about_a_row_that_cannot_be_staged(self, url: str) -> None:
        with SqlSink(UrlDatabase(url)) as sink:
            sink.open(SCOPE, incremental=False)
            item = sink.render(order("1", customer=Customer(name=CANARY)))
            item.values[1] = CANARY  # a number
            sink.write([item])
            if url.startswith("sqlite"):
                pytest.skip("SQLite takes any value in any column")
            with pytest.raises(OrdersError, match="Staging the orders failed") as caught:
                sink.finish(None)
        assert "Canary" not in str(caught.value)


def test_statement_that_fails_within_the_transaction_leaves_the_target_as_before(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _first_export(url)
    sink = open_sink(url, with_raw=True, history=True)
    sink.write([sink.render(order("1", reference="new"))])
    monkeypatch.setattr(
        Merge,
        "_write_raw",
        lambda merge: merge._connection.execute(sqlalchemy.text("SELECT * FROM nowhere")),
    )
    with pytest.raises(OrdersError, match="nowhere"):
        sink.finish(None)
    sink.close()
    assert contents(url) == before


@pytest.mark.slow
def test_memory_does_not_grow_with_the_orders(url: str) -> None:
    peaks = []
    for orders in (3_000, 12_000):
        child = subprocess.run(
            [sys.executable, "-m", "tests.unit.export.sql_child", json.dumps({"url": url, "orders": orders})],
            capture_output=True,
            check=True,
            cwd=Path(__file__).parents[3],
        )
        peaks.append(json.loads(child.stdout.splitlines()[-1]))
    assert peaks[1] < peaks[0] + 2_000_000
    assert peaks[1] < 20_000_000
