"""Names in tables may be broken after a dot, an underscore or a slash."""

import re

from docutils import nodes


def setup(app):
    app.connect("doctree-resolved", add_breaks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_breaks(app, doctree, docname):
    """Allow a line break within the literals of all tables."""
    for table in doctree.findall(nodes.table):
        for text in [
            child for literal in table.findall(nodes.literal) for child in literal
        ]:
            parts = re.findall(r".*?[._/](?=\w)|.+", text.astext())
            pieces = [nodes.Text(parts[0])] if parts else []
            for part in parts[1:]:
                pieces += [nodes.raw("", "<wbr>", format="html"), nodes.Text(part)]
            text.parent.replace(text, pieces)
