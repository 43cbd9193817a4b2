"""Every example of the README, the documentation and the docstrings runs as it is."""

import doctest
import importlib
import pkgutil
import re
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sklearn
from docutils import nodes
from layouts import write_shown
from matplotlib import pyplot
from pretrained import write_model
from speech import write_corpus

import advser
from advser.cli._main import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.rst")]
PAGES += (ROOT / "docs" / "guide").glob("*.rst")
MODULES = [
    module.name
    for module in pkgutil.walk_packages(advser.__path__, "advser.")
    if not module.name.endswith("__main__")
]
# A line that opens a block of Python, then the block, in Markdown or in reST, there
# perhaps with what it prints.
INDENTED = r"(?:   .*\n|\n)+"
BLOCK = re.compile(
    r"^(?:```python\n(?P<markdown>(?:(?!```).*\n)*)"
    r"(?:```\n\n```text\n(?P<output>(?:(?!```).*\n)*))?"
    rf"|\.\. code-block:: python\n\n(?P<rest>{INDENTED})"
    rf"(?:\.\. code-block:: text\n\n(?P<printed>{INDENTED}))?)",
    re.MULTILINE,
)
NUMBER = re.compile(r"-?\d+\.\d+")


def blocks(page):
    """Return the blocks of Python of a page: the code, on its lines, and the output."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        code = match["markdown"] or re.sub("^   ", "", match["rest"], flags=re.M)
        group = "rest" if match["markdown"] is None else "markdown"
        n_lines_before = text.count("\n", 0, match.start(group))
        code = compile("\n" * n_lines_before + code, page, "exec")
        found.append((code, match["output"] or match["printed"]))
    return found


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Return a folder of recordings with the table that the pages speak of."""
    folder = tmp_path_factory.mktemp("corpus")
    table = write_corpus(folder)
    table["file"] = [Path(file).name for file in table["file"]]
    table[["file", "emotion", "speaker"]].to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.stem) for page in PAGES if blocks(page)]
)
def test_page_runs_from_top_to_bottom(page, corpus, tmp_path, monkeypatch):
    shutil.copytree(corpus, tmp_path / "corpus")
    text = page.read_text(encoding="utf-8")
    write_shown(text, tmp_path)
    if "microsoft/wavlm-base-plus" in text:  # the folder is used before the hub
        folder = tmp_path / "microsoft" / "wavlm-base-plus"
        write_model(folder, "WavLM", num_hidden_layers=8)
    monkeypatch.chdir(tmp_path)
    names = {}
    with sklearn.config_context():
        for code, shown in blocks(page):
            with redirect_stdout(StringIO()) as printed:
                exec(code, names)
            if shown is not None:
                assert_same_output(printed.getvalue(), shown)


def assert_same_output(printed, shown):
    """Compare texts, whose numbers may differ as those of two machines."""
    printed, shown = " ".join(printed.split()), " ".join(shown.split())
    assert NUMBER.sub("0.0", printed) == NUMBER.sub("0.0", shown)
    found, expected = ([float(n) for n in NUMBER.findall(t)] for t in (printed, shown))
    assert found == pytest.approx(expected, abs=0.1)


def test_readme_has_no_links_that_fail_on_a_package_index():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not re.findall(r"\]\((?!https://)[^)]*\)", text)
    named = re.findall(
        r"`((?:docs|benchmarks)/(?!_build)[\w/.]+|[A-Z]+\.md|LICENSE)`", text
    )
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_citations_have_the_version_of_the_package():
    for name in ("README.md", "CITATION.cff"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert advser.__version__ in text, name


def test_pages_have_examples():
    assert sum(len(blocks(page)) for page in PAGES) > 20


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_show_what_comes_out(module):
    failed, _ = doctest.testmod(importlib.import_module(module))
    pyplot.close("all")
    assert not failed


def test_reference_lists_every_public_name_and_no_other():
    reference = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"(?<![\w/])advser(?:\.\w+)+", reference))
    public = {f"advser.{name}" for name in advser.__all__}
    rooms = {
        module.name
        for module in pkgutil.iter_modules(advser.__path__, "advser.")
        if not module.name.startswith("advser._")
    }
    for room in rooms:
        names = importlib.import_module(room).__all__
        public |= {f"{room}.{name}" for name in names}
    assert listed - rooms == public


def test_reference_names_every_command():
    reference = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    listed = reference.partition("with the subcommands")[2]
    assert {*re.findall(r"``(\w+)``", listed)} == {*COMMANDS}


def test_no_parameter_has_object_as_its_type():
    """What is documented elsewhere has a link to it in place of a type."""
    for path in Path(advser.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found = re.findall(r"^ +(?! |self )[\w, ]+ : object$", text, re.MULTILINE)
        assert not found, path


def test_contact_sheet_draws_every_display():
    sheet = (ROOT / "docs" / "_tools" / "contact_sheet.py").read_text(encoding="utf-8")
    drawn = set(re.findall(r"plots\.(\w+Display)\.", sheet))
    assert drawn == {*importlib.import_module("advser.plots").__all__}


@pytest.mark.parametrize(
    ("role", "name", "page"),
    [
        ("class", "sklearn.svm.SVC", "generated/sklearn.svm.SVC.html"),
        ("meth", "sklearn.svm.SVC.fit", "sklearn.svm.SVC.html#sklearn.svm.SVC.fit"),
        ("class", "sklearn.base._Private", None),
        ("class", "torch.Tensor", None),
    ],
)
def test_names_of_other_projects_are_links_to_their_pages(
    role, name, page, monkeypatch
):
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    node = nodes.Element(reftarget=name, reftype=role)
    found = importlib.import_module("links").link(None, None, node, nodes.literal())
    assert (found is None) == (page is None)
    assert found is None or found["refuri"].endswith(page)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("advser.nn.weighted_mean", ["advser.", "nn.", "weighted_", "mean"]),
        ("VREx(weight=0.2)", ["VREx(", "weight=", "0.2)"]),
    ],
)
def test_names_in_tables_may_be_broken_but_not_their_numbers(name, parts, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    literal = nodes.literal("", "", nodes.Text(name))
    importlib.import_module("breaks").add_breaks(None, nodes.table("", literal), None)
    assert "|".join(child.astext() for child in literal) == "|<wbr>|".join(parts)


def test_numbers_in_tables_stay_on_a_line_with_their_spread(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    cells = ["+0.49 ± 0.01 (-0.9, p 1.00)", "0.7 – 0.8", "40 passes, clip=3"]
    table = nodes.table("", *[nodes.entry("", nodes.Text(cell)) for cell in cells])
    importlib.import_module("breaks").add_breaks(None, table, None)
    cells[:2] = "+0.49\xa0±\xa00.01 (-0.9,\xa0p\xa01.00)", "0.7\xa0–\u2060\xa00.8"
    assert [entry.astext() for entry in table] == cells


@pytest.mark.parametrize(
    ("formula", "n_spaces"),
    [
        (r"\lambda \log p", 2),
        (r"\lambda\,\log\,p", 2),
        (r"\lambda \operatorname{mean} p", 1),
        (r"L_\mathrm{sim}", 0),
    ],
)
def test_formulas_have_space_beside_a_logarithm_and_before_a_name(
    formula, n_spaces, monkeypatch
):
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    convert = importlib.import_module("mathml").convert
    found = convert(nodes.math("", formula), as_block=False)
    assert found.count("<mspace") == n_spaces


def test_apostrophes_of_formulas_are_primes(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    convert = importlib.import_module("mathml").convert
    found = convert(nodes.math("", "k(h, h')"), as_block=False)
    assert "\N{PRIME}" in found
    assert "'" not in found


@pytest.mark.parametrize(
    ("formula", "sizes"),
    [
        (r"\lVert x \rVert^2", ["false"] * 2),
        (r"\frac{\lVert x \rVert}{2}", ["false"] * 2),
        (r"\left\{ \{x\}^2 \right\}", [None, "false", "false", None]),
    ],
)
def test_both_fences_of_a_formula_have_one_size(formula, sizes, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    convert = importlib.import_module("mathml").convert
    math = ElementTree.fromstring(convert(nodes.math("", formula), as_block=True))
    fences = [one for one in math.iter() if one.text in {"‖", "{", "}"}]
    assert [fence.get("stretchy") for fence in fences] == sizes
