"""Formulas as MathML, which browsers render themselves: no script, no network."""

import re
from html import unescape
from xml.etree import ElementTree

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


# docutils sets the subscript of an accented letter below it, unless they are apart.
ACCENTED = re.compile(r"(\\(?:bar|hat|tilde)\s*(?:\{[^{}]*\}|\\[a-zA-Z]+|\w))([_^])")
# docutils sets no space beside a logarithm, and none before the name of a function.
SPACED = re.compile(r"(?<=[^\W_]|\})\s*\\(?=log|operatorname|mathrm)")
FENCES = {"|", "‖", "{", "}"}
ENTITY = re.compile(r"&(?!amp;|lt;|gt;)[a-zA-Z]+;")  # XML does not define these
MATHML = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", MATHML)


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def visit_inline(translator, node):
    # The word joiner keeps a comma that follows on the same line.
    translator.body.append(convert(node, as_block=False) + "&#8288;")
    raise nodes.SkipNode


def visit_display(translator, node):
    formula = convert(node, as_block=True)
    translator.body.append(f'<div class="formula">{formula}</div>\n')
    raise nodes.SkipNode


def convert(node, *, as_block):
    formula = ACCENTED.sub(r"\1{}\2", node.astext())
    formula = SPACED.sub(r"\,\\", formula)
    formula = re.sub(r"\\log(?=\s*\w)", r"\\log\,", formula)
    try:
        math = tex2mathml(formula, as_block=as_block)
        return keep_fences(math.replace("<mo>'</mo>", "<mo>\N{PRIME}</mo>"))
    except MathError as error:
        logger.warning("cannot render %r: %s", node.astext(), error, location=node)
        return node.astext()


def keep_fences(formula):
    """Let no fence grow with its content but those of `left` and `right`.

    Browsers would stretch all, and then a closing fence with an exponent is smaller
    than its opening one. Fences of `left` and `right` enclose a row.
    """
    math = ElementTree.fromstring(ENTITY.sub(lambda found: unescape(found[0]), formula))
    enclosing = {
        child
        for row in math.iter(f"{{{MATHML}}}mrow")
        if len(row) and row[0].text in FENCES and "class" not in row[0].attrib
        for child in (row[0], row[-1])
    }
    for fence in math.iter(f"{{{MATHML}}}mo"):
        if fence.text in FENCES and fence not in enclosing:
            fence.set("stretchy", "false")
    return ElementTree.tostring(math, "unicode")
