import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import torch
from threadpoolctl import threadpool_limits

import advser

# The networks of the examples are small, and fastest on one thread.
torch.set_num_threads(1)
threadpool_limits(1)

project = "advser"
author = "the advser developers"
copyright = f"2026, {author}"
version = release = advser.__version__

autodoc_typehints = "none"  # the docstrings have the types
smartquotes_action = "De"  # quotes stay straight: they are those of strings
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "breaks",
    "links",
    "mathml",
]
exclude_patterns = ["_build", "examples"]
templates_path = ["_templates"]
default_role = "literal"

# Objects of other projects that `links` does not link are named only.
nitpick_ignore_regex = [
    ("py:.*", r"(sklearn|joblib|skorch|torch|numpy|pandas|matplotlib|distributed)\..*"),
]

autosummary_generate = True
numpydoc_show_class_members = False
# What every public object must document. Left out: the sections that only some need
# (ES01 extended summary, SA01 See Also, EX01 Examples, YD01 Yields), and what ruff
# checks already.
numpydoc_validation_checks = {
    "PR01",  # every parameter of the signature is documented,
    "PR02",  # and no other,
    "PR03",  # in the order of the signature,
    "PR04",  # with a type
    "SS03",  # the summary is a sentence
    "SS06",  # of one line
    "GL07",  # sections come in numpydoc's order
    "GL08",  # there is a docstring
}
# Methods that scikit-learn's mixins bring along; it documents them in its own way.
numpydoc_validation_exclude = {
    r"\.(get|set)_\w+_request$",
    r"\.get_metadata_routing$",
    r"\.(get|set)_params$",
    r"\.set_output$",
    r"\.fit_transform$",
    r"\.score$",
    r"\.get_feature_names_out$",
    # Parameters that are scikit-learn's go by name.
    r"\.model_selection\.",
    # Its constructor is dask's.
    r"\.DurableClient$",
    # Methods of torch modules; those of objectives are documented in the base class.
    r"\.nn\.\w+\.\w+$",
    r"\.objectives\.(?!Objective\.)\w+\.\w+$",
    # The base class only assigns parameters of its subclasses.
    r"\.objectives\.(Objective|EmpiricalRisk)$",
    # Dataclasses, whose attributes are what they are made from.
    r"\.Comparison$",
    r"\.CrossCorpusComparison$",
    r"\.Difference$",
    r"\.SpeakerConfounding$",
    r"\.SpeakerLeakage$",
}

sphinx_gallery_conf = {
    "reset_modules": ("matplotlib", "palette.use_palette"),
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "ExampleTitleSortKey",
    "image_scrapers": ("matplotlib",),
    "abort_on_example_error": True,
    "backreferences_dir": "api/backreferences",
    "doc_module": ("advser",),
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 3600,
    "plot_gallery": True,
}

toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = "advser"
html_static_path = ["_static"]
html_css_files = ["advser.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {
    page: [] for page in ("index", "quickstart", "benchmark", "speed", "house")
}
html_theme_options = {
    "footer_start": ["copyright"],
    "footer_end": [],
    "navbar_align": "left",
    "navigation_with_keys": False,
    "show_nav_level": 2,
    "show_toc_level": 2,
    "header_links_before_dropdown": 7,
    "pygments_light_style": "friendly",
    "pygments_dark_style": "monokai",
}
