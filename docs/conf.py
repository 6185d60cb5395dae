"""How Sphinx builds the documentation; ``make docs`` runs it."""

from __future__ import annotations

import os
import posixpath
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# The classes of Airflow that the reference documents read a configuration: an empty one, before they are imported.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="orders-docs-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["NO_PROXY"] = "*"
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from airflow_provider_orders import __version__

REPOSITORY = "https://github.com/airflow-provider-orders/airflow-provider-orders"

project = "airflow-provider-orders"
author = "The airflow-provider-orders developers"
project_copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "from_code"]
exclude_patterns = ["_build", "_ext", "examples"]
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"airflow-provider-orders {release}"
html_theme_options = {
    "source_repository": REPOSITORY,
    "source_branch": "main",
    "source_directory": "docs/",
}
html_copy_source = False

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
maximum_signature_line_length = 80
python_use_unqualified_type_names = True
# What others document is not linked: their inventories would have to be fetched.
nitpick_ignore_regex = [("py:.*", r"(?!airflow_provider_orders).*")]


def link_to_repository(app: Sphinx, docname: str, source: list[str]) -> None:
    """Let a link to a file beside the documentation lead to the repository, where the reader finds it."""
    del app

    def outside(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(f"docs/{docname}"), found[1]))
        return found[0] if path.startswith("docs/") else f"]({REPOSITORY}/blob/main/{path})"

    source[0] = re.sub(r"\]\((\.\./[^)#]+)\)", outside, source[0])


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("source-read", link_to_repository)
