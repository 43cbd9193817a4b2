"""Links to the documentation of other projects, as intersphinx, but without network.

intersphinx downloads the inventory of each project. The projects here have a page for
each public object, whose address follows from its name.
"""

import re

from docutils import nodes

PAGES = {
    "distributed": "https://distributed.dask.org/en/stable/api.html#{}",
    "joblib": "https://joblib.readthedocs.io/en/stable/generated/{}.html",
    "numpy": "https://numpy.org/doc/stable/reference/generated/{}.html",
    "pandas": "https://pandas.pydata.org/docs/reference/api/{}.html",
    "sklearn": "https://scikit-learn.org/stable/modules/generated/{}.html",
}


def setup(app):
    app.connect("missing-reference", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def link(app, env, node, content):
    """Return a link to a public object of another project, or None."""
    name = node.get("reftarget", "")
    project = name.partition(".")[0]
    if project not in PAGES or not re.search(r"\.[A-Za-z]", name) or "._" in name:
        return None
    is_member = node.get("reftype") in ("meth", "attr")
    page = name.rpartition(".")[0] if is_member and project != "distributed" else name
    link = PAGES[project].format(page) + (f"#{name}" if page != name else "")
    return nodes.reference("", "", content, internal=False, refuri=link)
