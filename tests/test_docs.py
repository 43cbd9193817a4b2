"""Every example of the README, the documentation and the docstrings runs as it is."""

import doctest
import importlib
import pkgutil
import re
import shutil
from pathlib import Path

import pytest
import sklearn
from layouts import write_shown
from matplotlib import pyplot
from pretrained import write_model
from speech import write_corpus

import advser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.rst")]
PAGES += (ROOT / "docs" / "guide").glob("*.rst")
MODULES = [
    module.name
    for module in pkgutil.walk_packages(advser.__path__, "advser.")
    if not module.name.endswith("__main__")
]
# A line that opens a block of Python, then the block, in Markdown or in reST.
BLOCK = re.compile(
    r"^(?:```python\n(?P<markdown>(?:(?!```).*\n)*)"
    r"|\.\. code-block:: python\n\n(?P<rest>(?:   .*\n|\n)+))",
    re.MULTILINE,
)


def blocks(page):
    """Return the blocks of Python of a page: the code, on the lines it has there."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        code = match["markdown"] or re.sub("^   ", "", match["rest"], flags=re.M)
        n_lines_before = text.count("\n", 0, match.start(match.lastgroup))
        found.append(compile("\n" * n_lines_before + code, page, "exec"))
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
        for code in blocks(page):
            exec(code, names)


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
