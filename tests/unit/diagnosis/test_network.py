from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_orders.diagnosis.network import examine_network
from airflow_provider_orders.diagnosis.steps import Outcome, Step
from airflow_provider_orders.errors import ApiUnavailableError
from tests.unit.clients import make_api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from airflow_provider_orders.sandbox import Sandbox


def write_certificate(path: Path, *, days: int) -> None:
    """Write a key and a certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "orders")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )


@contextmanager
def listening(certificate: Path | None) -> Iterator[int]:
    """Accept connections, with TLS where there is a certificate; gives the port."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                if context is None:
                    connection.recv(16)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                else:
                    connection = context.wrap_socket(connection, server_side=True)
                    connection.recv(16)
            except OSError:
                pass
            finally:
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=10)


def examined(sandbox: Sandbox, host: str) -> dict[str, Step]:
    return {step.name: step for step in examine_network(make_api(sandbox, "dipli", host=host).settings)}


def test_a_certificate_that_is_trusted_is_fine(
    orders_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_certificate(tmp_path / "server.pem", days=200)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "server.pem"))

    with listening(tmp_path / "server.pem") as port:
        tls = examined(orders_sandbox, f"https://127.0.0.1:{port}")["tls"]

    assert tls.outcome is Outcome.OK, tls.message
    assert "200 days" in tls.message
    assert tls.details["encrypted"]


def test_a_certificate_that_ends_soon_is_a_warning(
    orders_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_certificate(tmp_path / "server.pem", days=3)
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "server.pem"))

    with listening(tmp_path / "server.pem") as port:
        tls = examined(orders_sandbox, f"https://127.0.0.1:{port}")["tls"]

    assert tls.outcome is Outcome.WARNING


def test_a_certificate_that_nobody_trusts_fails_with_the_fix(orders_sandbox: Sandbox, tmp_path: Path) -> None:
    write_certificate(tmp_path / "server.pem", days=200)

    with listening(tmp_path / "server.pem") as port:
        tls = examined(orders_sandbox, f"https://127.0.0.1:{port}")["tls"]

    assert tls.outcome is Outcome.FAILED
    assert isinstance(tls.error, ApiUnavailableError)
    assert "REQUESTS_CA_BUNDLE" in tls.message


def test_an_expired_certificate_is_named_as_such(
    orders_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_certificate(tmp_path / "server.pem", days=-1)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "server.pem"))

    with listening(tmp_path / "server.pem") as port:
        tls = examined(orders_sandbox, f"https://127.0.0.1:{port}")["tls"]

    assert tls.outcome is Outcome.FAILED
    assert "expired" in tls.message


def test_a_server_without_tls_is_named_as_such(orders_sandbox: Sandbox) -> None:
    with listening(None) as port:
        tls = examined(orders_sandbox, f"https://127.0.0.1:{port}")["tls"]

    assert tls.outcome is Outcome.FAILED
    assert "does not speak TLS" in tls.message


def test_an_unknown_name_stops_the_examination(orders_sandbox: Sandbox) -> None:
    steps = examined(orders_sandbox, "https://no-such-host.invalid")

    assert list(steps) == ["dns"]
    assert steps["dns"].outcome is Outcome.FAILED


def test_a_name_is_shown_with_its_addresses(orders_sandbox: Sandbox) -> None:
    port = orders_sandbox.url.rpartition(":")[2]

    steps = examined(orders_sandbox, f"http://localhost:{port}")

    assert "127.0.0.1" in steps["dns"].message
    assert steps["tls"].details == {"encrypted": False}


def test_a_proxy_is_not_bypassed(orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:password@proxy.example.org:3128")

    steps = examined(orders_sandbox, "https://shop.example.com")

    assert {step.outcome for step in steps.values()} == {Outcome.SKIPPED}
    assert "password" not in steps["dns"].message


def test_a_list_of_hosts_without_a_proxy_is_no_proxy(
    orders_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost,example.org")

    steps = examined(orders_sandbox, "https://nowhere.invalid")

    assert steps["dns"].outcome is Outcome.FAILED
