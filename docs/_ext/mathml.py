"""Formulas as MathML, which browsers render themselves: no script, no network."""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


# docutils sets the subscript of an accented letter below it, unless they are apart.
ACCENTED = re.compile(r"(\\(?:bar|hat|tilde)\s*(?:\{[^{}]*\}|\\[a-zA-Z]+|\w))([_^])")
# docutils sets no space beside a logarithm.
SPACED = re.compile(r"(?<=[\w}])\s*\\log")


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def visit_inline(translator, node):
    translator.body.append(convert(node, as_block=False))
    raise nodes.SkipNode


def visit_display(translator, node):
    formula = convert(node, as_block=True)
    translator.body.append(f'<div class="formula">{formula}</div>\n')
    raise nodes.SkipNode


def convert(node, *, as_block):
    formula = ACCENTED.sub(r"\1{}\2", node.astext())
    formula = SPACED.sub(r"\,\\log", formula)
    formula = re.sub(r"\\log(?=\s*\w)", r"\\log\,", formula)
    try:
        return str(tex2mathml(formula, as_block=as_block))
    except MathError as error:
        logger.warning("cannot render %r: %s", node.astext(), error, location=node)
        return node.astext()
