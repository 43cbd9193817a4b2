"""Where the lines of a table may be broken: within names, not within numbers."""

import re

from docutils import nodes

# A name may be broken after a dot, an underscore or a slash, but no number, and after
# what opens or names an argument.
PART = re.compile(r".*?(?:(?<!\d)[._/](?=\w)|[(=](?=[\w\"'\[{]))|.+")
# A number with its spread or interval, without words.
NUMBER = re.compile(r"[+−-]?\d(?!.*[^\W\d_]{3})")


def setup(app):
    app.connect("doctree-resolved", add_breaks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_breaks(app, doctree, docname):
    """Allow a line break within the literals of all tables, and none in numbers."""
    for table in doctree.findall(nodes.table):
        for text in [
            child for literal in table.findall(nodes.literal) for child in literal
        ]:
            parts = PART.findall(text.astext())
            pieces = [nodes.Text(parts[0])] if parts else []
            for part in parts[1:]:
                pieces += [nodes.raw("", "<wbr>", format="html"), nodes.Text(part)]
            text.parent.replace(text, pieces)
        for text in [*table.findall(nodes.Text)]:
            if NUMBER.match(text):
                kept = re.sub(r" (?![(\[×])", "\N{NO-BREAK SPACE}", text)
                kept = kept.replace("–", "–\N{WORD JOINER}")  # no break after it
                text.parent.replace(text, nodes.Text(kept))
