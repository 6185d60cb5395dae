"""The directives that put tables from the code into a page: ``{from-code} statuses popsell``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import code_tables
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class FromCode(SphinxDirective):
    """Writes one of the tables of :mod:`code_tables`; the connection type follows its name, where it takes one."""

    required_arguments = 1
    optional_arguments = 1
    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Write the table."""
        name, *conn_type = self.arguments
        if name not in code_tables.__all__:
            raise self.error(f"there is no table {name!r}; there are {', '.join(code_tables.__all__)}")
        return self.parse_text_to_nodes(getattr(code_tables, name)(*conn_type))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("from-code", FromCode)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
