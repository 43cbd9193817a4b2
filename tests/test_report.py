"""The report: complete, correct, and without any request to the network."""

import json
import pickle
import re
import shutil
from base64 import b64decode
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from advser import cli
from advser.evaluation import Comparison, compare
from advser.report import finding_of, report
from advser.speakers import SpeakerScaler

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """A parsed page: its tags and its text; all tags must be closed."""

    def __init__(self, file):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(file.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):  # noqa: D102
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):  # noqa: D102
        assert self.open.pop() == tag

    def handle_data(self, data):  # noqa: D102
        self.text += data

    def all(self, tag):  # noqa: D102
        return [attributes for found, attributes in self.tags if found == tag]


@pytest.fixture(scope="module")
def comparison_folder(shared_toy, tmp_path_factory):
    """Write a comparison with a search, transductive and failed estimators."""
    folder = tmp_path_factory.mktemp("comparison")
    model = LogisticRegression(random_state=0)
    estimators = {
        "guess": DummyClassifier(strategy="stratified"),
        "LR": make_pipeline(StandardScaler(), model),
        "LR, per speaker": make_pipeline(SpeakerScaler(unknown="batch"), model),
        "<bad> & worse": SVC(C=-1, random_state=0),
    }
    with pytest.warns(FitFailedWarning):
        compare(
            estimators,
            *shared_toy,
            seeds=2,
            probes=["logistic"],
            search={"LR": {"logisticregression__C": [0.1, 1.0]}},
            folder=folder,
        )
    return folder


@pytest.fixture
def folder(comparison_folder, tmp_path):
    """Return a copy of the comparison, which a test may change."""
    return shutil.copytree(comparison_folder, tmp_path / "results")


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_report_speaks_of_seeds_if_there_are_several(n_seeds, toy, tmp_path):
    model = DummyClassifier(strategy="stratified")
    compare({"guess": model}, *toy, seeds=n_seeds, folder=tmp_path)
    text = report(tmp_path).read_text(encoding="utf-8")
    assert ("over seeds" in text) == (n_seeds == 2)
    assert ("over the seeds" in text) == (n_seeds == 2)


def test_an_estimator_may_be_named_chance(toy, tmp_path):
    models = {"NB": GaussianNB(), "chance": DummyClassifier()}
    found = compare(models, *toy, probes=["logistic"], folder=tmp_path)
    page = report(tmp_path).read_text(encoding="utf-8")
    leakage = found.leakage_summary().set_index("estimator").loc["chance"]
    cells = re.findall(r"<th[^>]*>chance</th>\s*<td[^>]*>([^<]*)</td>", page)
    expected = f"{leakage['accuracy']:.2f}", f"{leakage['chance']:.2f}"
    assert expected in list(pairwise(cells))


def test_report_is_one_page_that_loads_nothing(folder):
    file = report(folder)
    assert file == folder / "report.html"
    page = Page(file)
    loaded = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "action", "poster")
    ]
    assert all(value.startswith("data:image/") for value in loaded)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    styles = re.search("<style>(.*)</style>", file.read_text(), re.DOTALL).group(1)
    assert "url(" not in styles
    assert "@import" not in styles
    assert "@media print" in styles
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
    images = page.all("img")
    assert len(images) == 6  # recall, differences, leakage, three confusion matrices
    for image in images:
        assert len(image["alt"]) > 20
        content = b64decode(image["src"].removeprefix("data:image/svg+xml;base64,"))
        assert ElementTree.fromstring(content).tag.endswith("svg")


def test_report_contains_results_and_caveats(folder):
    text = Page(report(folder)).text
    summary = pd.read_csv(folder / "scores.csv")
    assert summary["estimator"].nunique() == 3
    assert "4 speakers" in text
    assert "Transductive: uses all of the test speaker's utterances" in text
    assert "Compare scores of one kind with each other only" in text
    assert "LR, per speaker" in text
    assert "<bad> & worse: 4 fits, InvalidParameterError" in text
    assert "Unfinished: 4 fits" in text
    assert "Settings were not searched equally" in text
    assert "highest mean of unweighted average recall" in text
    assert "With 4 speakers no difference can be significant" in text
    assert "scikit-learn" in text
    assert "logisticregression__C" in text


def test_report_opens_with_the_finding_and_its_test(folder):
    text = " ".join(Page(report(folder)).text.split())
    pairs = Comparison.load(folder).pairwise()
    assert pairs[["estimator", "other"]].to_numpy().tolist() == [["guess", "LR"]]
    finding = (
        f"the difference from guess, {-pairs['points'][0]:+.1f} points, is not "
        f"significant (corrected p-value {pairs['p_holm'][0]:.3f})."
    )
    assert 0 < text.index(finding) < text.index("4 estimators on 120 utterances")


def test_best_of_several_is_compared_with_all_that_it_was_tested_against():
    pairs = pd.DataFrame(
        {
            "estimator": ["a", "a", "b"],
            "other": ["b", "c", "c"],
            "points": [-9.0, 1.0, 8.0],
            "p_holm": [0.01, 0.9, 0.04],
        }
    )
    assert finding_of("b", pairs) == "significantly better than 2 of the 2 others"
    assert finding_of("a", pairs) == "significantly better than none of the 2 others"
    assert finding_of("d", pairs) == ""
    one = pd.DataFrame({**pairs.iloc[:1], "p_holm": 0.0002})
    assert "is significant (corrected p-value < 0.001)" in finding_of("b", one)


def test_report_of_ratings_shows_each_target(toy, tmp_path):
    models = {
        "ridge": make_pipeline(StandardScaler(), Ridge(random_state=0)),
        "mean": DummyRegressor(),
    }
    y = pd.DataFrame(toy.X[:, :2], columns=["arousal", "<valence>"])
    compare(models, toy.X, y, toy.speakers, probes=["knn"], folder=tmp_path)
    page = Page(report(tmp_path))
    assert "rated for arousal, <valence>" in page.text
    assert "Concordance on new speakers" in page.text
    assert "raw features" in page.text
    assert "Speaker leakage" in page.text
    assert "difference" in page.text
    alts = [image["alt"] for image in page.all("img")]
    assert len(alts) == 3 + 2 * 2  # scores, differences, leakage; each, for each target
    assert alts[-1].startswith("<valence>, true and predicted by mean")


def test_report_warns_of_more_comparisons_than_speakers_allow(toy, tmp_path):
    estimators = {
        f"guess {number}": DummyClassifier(strategy="stratified", random_state=number)
        for number in range(4)
    }
    compare(estimators, *toy, probes=(), folder=tmp_path)
    assert "no difference can be significant" in Page(report(tmp_path)).text
    # 2 / 2^4 = 0.125 of a single comparison is no better.
    page = Page(report(tmp_path, baseline="guess 0", out=tmp_path / "other.html"))
    assert "and 3 comparisons" in page.text
    assert "Speaker leakage" not in page.text


def test_report_of_an_interrupted_comparison_counts_what_is_missing(folder):
    lines = (folder / "scores.csv").read_text().splitlines(keepends=True)
    (folder / "scores.csv").write_text("".join(lines[:-2]))  # of the last estimator
    text = Page(report(folder)).text
    assert "Unfinished: 6 fits" in text
    (folder / "scores.csv").write_text("".join(lines[:3]))
    with pytest.raises(ValueError, match=r"no estimator in .* has finished"):
        report(folder)


def test_command_writes_the_report(folder, tmp_path, capsys):
    out = tmp_path / "page.html"
    arguments = ["report", str(folder), "--baseline", "LR", "--out", str(out)]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert "guess" in Page(out).text


def test_only_a_page_of_a_report_is_overwritten(folder, tmp_path):
    page = report(folder, tmp_path / "page.html")
    assert report(folder, page) == page
    (tmp_path / "labels.csv").write_text("file,emotion")
    for out in (tmp_path / "labels.csv", tmp_path):
        with pytest.raises(FileExistsError, match=r"`out` is .* no page of a report"):
            report(folder, out)
    assert (tmp_path / "labels.csv").read_text() == "file,emotion"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "comparison.json is missing"),
        (["{folder}", "--baseline", "SVM"], "'SVM' is none of the estimators"),
    ],
)
def test_command_says_why_there_is_no_report(arguments, message, folder, capsys):
    arguments = [argument.format(folder=folder) for argument in arguments]
    with pytest.raises(SystemExit) as exit_:
        cli.main(["report", *arguments])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


CANARY = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def test_no_setting_becomes_markup(folder):
    file = folder / "comparison.json"
    settings = json.loads(file.read_text())
    settings["data"]["speakers"][0] = CANARY
    settings["data"]["emotions"][0] = CANARY
    settings["data"] |= {CANARY: CANARY, "fingerprint": CANARY}
    settings["protocol"] |= {"cv": CANARY, "groups": CANARY}
    settings["versions"] = {CANARY: CANARY}
    settings["selection"] = CANARY
    for planned in settings["estimators"].values():
        planned |= {"class": CANARY, "parameters": {CANARY: {CANARY: [CANARY]}}}
        planned["candidates"] = [{CANARY: CANARY}]
    file.write_text(json.dumps(settings))
    benchmark = {"corpus": CANARY, "platform": CANARY, "baselines": [CANARY]}
    benchmark |= {"seconds": CANARY, "n_jobs": CANARY}
    (folder / "settings.json").write_text(json.dumps(benchmark))
    failures = pd.DataFrame({"file": [CANARY], "reason": [CANARY]})
    failures.to_csv(folder / "failures.csv", index=False)
    for name in ("predictions", "errors"):
        table = pd.read_csv(folder / f"{name}.csv")
        for column in {"sample", "speaker", "error", "message"} & {*table}:
            table[column] = CANARY + table[column].astype(str)
        table.to_csv(folder / f"{name}.csv", index=False)
    page = Page(report(folder))
    assert "script" not in {tag for tag, _ in page.tags}
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert page.text.count("<script>alert(1)</script>") > 15


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.n_samples", CANARY),
        ("protocol.n_folds", CANARY),
        ("estimators.guess.seeds", CANARY),
        ("estimators.guess.seeds", [CANARY]),
        ("estimators.guess.candidates", CANARY),
        ("estimators.guess.candidates", [CANARY]),
        ("estimators.guess", None),
        ("probes", [CANARY]),
        ("versions", CANARY),
    ],
)
def test_a_setting_of_another_type_is_refused(path, value, folder):
    file = folder / "comparison.json"
    settings = json.loads(file.read_text())
    *parents, last = path.split(".")
    part = settings
    for name in parents:
        part = part[name]
    part[last] = value
    file.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=path):
        report(folder)


@pytest.mark.parametrize("name", ["embedding.png", "failures.csv", "settings.json"])
def test_the_page_shows_regular_files_of_the_folder_alone(name, folder, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"\x89PNG\r\n secret")
    (folder / name).symlink_to(secret)
    with pytest.raises(ValueError, match=rf"{name}` is a link"):
        report(folder)
    (folder / name).unlink()
    (folder / name).write_bytes(b"secret\xff")
    with pytest.raises(ValueError, match=name):
        report(folder)


def test_nothing_in_a_folder_of_results_runs_code(folder, tmp_path):
    flag = tmp_path / "flag"

    class Bomb:
        def __reduce__(self):
            return (open, (str(flag), "w"))

    bomb = pickle.dumps(Bomb())
    pickle.loads(bomb).close()
    assert flag.exists()
    flag.unlink()
    for name in ("comparison.json", "settings.json", "failures.csv", "scores.csv"):
        file = folder / name
        before = file.read_bytes() if file.exists() else None
        for content in (bomb + b"\n", b"!!python/object/apply:os.system [x]\n"):
            file.write_bytes(content)
            with pytest.raises(ValueError, match=name):
                report(folder)
        file.unlink() if before is None else file.write_bytes(before)
    for code in (f"open({str(flag)!r}, 'w')", f"{{{{ open({str(flag)!r}, 'w') }}}}"):
        settings = json.loads((folder / "comparison.json").read_text())
        settings["selection"] = settings["protocol"]["cv"] = code
        settings["estimators"]["guess"]["parameters"] = {code: code}
        (folder / "comparison.json").write_text(json.dumps(settings))
        assert code in Page(report(folder)).text
    assert not flag.exists()


def test_a_name_with_dollars_is_no_formula(toy, tmp_path):
    names = {"anger": r"$\frac{$", "neutral": "$x$", "sadness": "a $ b"}
    y = [names[emotion] for emotion in toy.y]
    speakers = [rf"$\sqrt{{$ {speaker}" for speaker in toy.speakers]
    model = DummyClassifier(strategy="stratified", random_state=0)
    models = {r"$\frac{$": model, "$\\other$": SVC(random_state=0)}
    compare(models, toy.X, y, speakers, probes=["knn"], folder=tmp_path)
    text = Page(report(tmp_path)).text
    assert r"$\frac{$" in text
