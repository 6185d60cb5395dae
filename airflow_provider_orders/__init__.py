"""Airflow provider for the order APIs of Popsell, Dipli, Valomnia and Genuka.

Every Airflow process loads this module to find the provider, so it imports nothing heavy.
"""

from __future__ import annotations

from typing import Any

__all__ = ["__version__", "get_provider_info"]

_DISTRIBUTION = "airflow-provider-orders"  # Airflow refuses to start when package-name differs from it

_MODULES = {
    "operators": ("orders", "planning", "merge", "reconcile"),
    "sensors": ("orders",),
    "triggers": ("orders",),
}
_TRANSFERS = {"Common IO": "orders_to_object_storage", "Common SQL": "orders_to_sql"}
_LINKS = ("ExportedFilesLink", "ManifestLink", "OrderDocumentLink", "OrderLink")
_ASSETS = {
    "schemes": ["orders"],
    "handler": f"{__name__}.assets.orders.sanitize_uri",
    "to_openlineage_converter": f"{__name__}.assets.orders.convert_asset_to_openlineage",
}

__version__: str


def get_provider_info() -> dict[str, Any]:
    """Tell Airflow what this provider has (entry point ``apache_airflow_provider``)."""
    from airflow_provider_orders.connections import FORMS, provider_info_entry

    forms = FORMS.values()
    return {
        "package-name": _DISTRIBUTION,
        "name": "Orders",
        "description": "Fetch and watch orders of Popsell, Dipli (formerly Agora Place), Valomnia and Genuka.",
        "integrations": [
            {
                "integration-name": form.name,
                "external-doc-url": form.documentation_url,
                "tags": ["service"],
            }
            for form in forms
        ],
        "hooks": [
            {
                "integration-name": form.name,
                "python-modules": [f"{__name__}.hooks.orders", form.hook_class_name.rpartition(".")[0]],
            }
            for form in forms
        ],
        # One set of operators, sensors and triggers serves every API.
        **{
            kind: [
                {
                    "integration-name": form.name,
                    "python-modules": [f"{__name__}.{kind}.{module}" for module in modules],
                }
                for form in forms
            ]
            for kind, modules in _MODULES.items()
        },
        "transfers": [
            {
                "source-integration-name": form.name,
                "target-integration-name": target,
                "python-module": f"{__name__}.transfers.{module}",
            }
            for form in forms
            for target, module in _TRANSFERS.items()
        ],
        "extra-links": [f"{__name__}.links.orders.{link}" for link in _LINKS],
        # Airflow 2 called them datasets.
        "asset-uris": [_ASSETS],
        "dataset-uris": [_ASSETS],
        "connection-types": [provider_info_entry(conn_type) for conn_type in FORMS],
        # ``airflow orders``, from Airflow 3.2 on; before that the key is ignored.
        "cli": [f"{__name__}.cli.provider.get_orders_cli_commands"],
    }


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version

        return version(_DISTRIBUTION)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
