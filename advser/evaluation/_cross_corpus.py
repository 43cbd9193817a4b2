"""Comparison across corpora: trained on one, tested on another.

A classifier is tested on another microphone, another language and other annotators, not
only on unseen speakers. The domains that an adversary removes are speakers, corpora or
both. Each result states what is known of the test corpus.
"""

from collections.abc import Sequence
from itertools import product
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from .._routing import requests, seeded
from .._validation._parameters import check_arguments
from ..speakers._knowledge import kind_of
from ._arguments import check_choices, check_estimators, seeds_of
from ._corpora import Pair, joined, pairs_of
from ._cross_comparison import CrossCorpusComparison
from ._jobs import Job, fit, predict, run, tables_of
from ._store import environment, planned
from ._tasks import EmotionTask

DOMAINS = ("speaker", "corpus", "both")


class Run(NamedTuple):
    """A way of training on a pair of corpora.

    `domain` is "" for estimators that request no speakers; `unlabeled` is whether rows
    of the test corpus are part of the training.
    """

    pair: Pair
    domain: str
    unlabeled: bool

    @property
    def names(self):
        """Training corpus, test corpus, domain and `unlabeled`."""
        return [self.pair.train, self.pair.test, self.domain, self.unlabeled]


def cross_corpus(
    corpora: dict[str, Any],
    estimators: dict[str, BaseEstimator],
    *,
    domain: str | Sequence[str] = "speaker",
    transductive: bool = True,
    leave_one_out: bool = False,
    emotions: Sequence[str] | None = None,
    within: int | None = 5,
    seeds: int | Sequence[int] = 5,
    folder: str | PathLike | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> CrossCorpusComparison:
    """Train estimators on one corpus and test them on another, for all pairs.

    Each pair is compared on the emotions that both have. The results include the recall
    within each corpus, on speakers left out, to show the loss between corpora.

    Parameters
    ----------
    corpora : dict of str to DataFrame or tuple
        Two corpora or more, by name. Each is a table with the columns `emotion` and
        `speaker`, whose other numeric columns are the features (except columns of the
        readers, such as `arousal` and `start`); the pair that
        :func:`~advser.audio.read_features` returns; or ``(X, y, speakers)``. All must
        have the same features. An emotion may be missing.

    estimators : dict of str to estimator
        Unfitted scikit-learn classifiers, pipelines or searches, by name. Copies of
        them are fitted, with the labels that they request, see Notes.

    domain : {"speaker", "corpus", "both"} or sequence of these, default="speaker"
        The labels that estimators get as `speakers`: an adversary removes them and a
        :class:`~advser.SpeakerScaler` scales by them.

        - "speaker": the speakers. If the test corpus is part of the training, its
          speakers are known, too.
        - "corpus": the name of the corpus [1]_. An adversary needs two names: the test
          corpus as one of them, or several training corpora.
        - "both": the speakers of the training corpus, and the test corpus as one more
          domain, whose speakers stay unknown.

        Several are run one after the other; a column holds the domain of each.

    transductive : bool, default=True
        Whether estimators that request unlabelled rows, `X_unlabeled`, are also trained
        with those of the test corpus: all its rows, whatever their emotion. They are
        always trained without these, too, if the domain allows it.

    leave_one_out : bool, default=False
        Whether all other corpora together are one more training corpus. Its emotions
        are those that the test corpus shares with any of them.

    emotions : sequence of str, default=None
        Emotions to compare on. None for all that the corpora of a pair share; the
        recall of guessing then differs between pairs.

    within : int or None, default=5
        Number of folds by speaker, at most the number of speakers, for the recall
        within each corpus, on the emotions that it shares with any other. The speakers
        are then the domains, whatever `domain` is. None leaves it out.

    seeds, folder, n_jobs, verbose : as in :func:`~advser.evaluation.compare`

    Returns
    -------
    comparison : CrossCorpusComparison
        Tables of scores, predictions and errors, in the order of `estimators`.

    Raises
    ------
    ValueError
        If there are fewer than two corpora, a corpus lacks a column or has other
        features, no two share two emotions, `domain` or `emotions` is unknown,
        `estimators` or `seeds` is empty, or every fit fails.
    FileExistsError
        If `folder` holds a comparison with other data, settings or versions.

    Warns
    -----
    CorpusWarning
        If corpora share fewer than two emotions. Those pairs are left out.
    FitFailedWarning
        If fits have failed. The others continue; see ``comparison.errors``.

    See Also
    --------
    compare : Within one corpus, with leakage and searches.
    advser.plots.CrossCorpusDisplay : Draws the results.

    Notes
    -----
    **Labels.** `speakers` are the domains and `groups` the speakers, each where the
    estimator requests it, so that a search over speaker-disjoint folds has its groups
    under any domain. Speakers are called "corpus/speaker", so that two corpora never
    share one. An estimator that requests no `speakers`, or a network without an
    adversary (``adversary=None``), is trained once, whatever the domains. In a pipeline
    the unlabelled rows go through the steps before the last; in a search over pipelines
    they do if these request it by `transform_input`.

    **Knowledge of the test corpus** is in the column `target`:

    ========  ===========================  ====================
    domain    without its rows             with them
    ========  ===========================  ====================
    speaker   nothing                      utterances, speakers
    corpus    nothing, see below           utterances
    both      (the same as with speaker)   utterances
    ========  ===========================  ====================

    With the domain "corpus", an adversary needs two corpora in the training: rows of
    the test corpus, or several training corpora, with `leave_one_out`.

    A :class:`~advser.SpeakerScaler` with ``unknown="batch"`` is always transductive.
    With ``domain="speaker"`` it scales each speaker of the test corpus separately, with
    "corpus" or "both" the test corpus as a whole. With "corpus" that is the
    normalisation by corpus of the literature [2]_.

    References
    ----------
    .. [1] M. Abdelwahab, C. Busso, "Domain adversarial for acoustic emotion
       recognition", IEEE/ACM Transactions on Audio, Speech, and Language Processing
       26(12), 2018, arXiv 1804.07690.
    .. [2] B. Schuller et al., "Cross-corpus acoustic emotion recognition: variances and
       strategies", IEEE Transactions on Affective Computing 1(2), 2010.

    Examples
    --------
    Two halves of a corpus, treated as two corpora:

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from advser.datasets import load_emodb
    >>> from advser.evaluation import cross_corpus
    >>> frame = load_emodb(as_frame=True).frame
    >>> is_female = frame["gender"] == "female"
    >>> corpora = {"women": frame[is_female], "men": frame[~is_female]}
    >>> model = make_pipeline(StandardScaler(), LogisticRegression(random_state=0))
    >>> comparison = cross_corpus(corpora, {"LR": model})
    >>> uar = comparison.summary()["uar"].droplevel([2, 3, 4])
    >>> print(uar["women", "women"] > uar["men", "women"])
    True
    """
    check_arguments(locals())
    check_estimators(estimators, allow_regressors=False)
    chosen = check_choices(domain, "domain", DOMAINS)
    domains = [name for name in DOMAINS if name in chosen]
    seeds = seeds_of(seeds, estimators)
    utterances, data = joined(corpora)
    pairs = pairs_of(utterances, list(corpora), emotions, leave_one_out, within)
    task = EmotionTask({emotion for pair in pairs for emotion in pair.emotions})
    compared = [pair for pair in pairs if pair.folds]
    runs = [Run(*one) for one in product(compared, ("", *DOMAINS), (False, True))]
    settings = {
        "data": data,
        "protocol": {
            "domains": domains,
            "transductive": transductive,
            "emotions": None if emotions is None else [*map(str, emotions)],
            "within": within,
        },
        "pairs": [pair.counts(utterances) for pair in pairs],
        "runs": [one.names for one in runs],
        "probes": [],
        "asked": [],
        "estimators": {
            name: planned(estimator, estimator, seeds[name])
            for name, estimator in estimators.items()
        },
        "versions": environment(),
    }
    jobs = []
    for name, estimator in estimators.items():
        by_speaker, takes_unlabeled = _uses(estimator)
        wanted = [
            (number, one)
            for number, one in enumerate(runs)
            if _is_wanted(one, by_speaker, takes_unlabeled, domains, transductive)
        ]
        if all(one.pair.is_within for _, one in wanted):
            raise ValueError(
                f"`estimators` has {name!r}, which can't be trained with "
                f"`domain={domain!r}` and `transductive={transductive}`: it needs two "
                "corpora in the training. Pass `transductive=True`, "
                "`leave_one_out=True` with three corpora or more, or another domain."
            )
        jobs += [
            Job([(name, seed, number)], _score, (estimator, one, task))
            for (number, one), seed in product(wanted, seeds[name])
        ]
    tables = run(jobs, utterances, task, settings, folder, n_jobs, verbose)
    return CrossCorpusComparison._from_tables(tables, settings)


def _uses(estimator):
    """Return whether an estimator requests speakers, and unlabelled rows.

    A network without an adversary uses neither.
    """
    is_pipeline = isinstance(estimator, Pipeline)
    steps = [step for _, step in estimator.steps] if is_pipeline else [estimator]
    active = [
        step
        for step in steps
        if hasattr(step, "fit") and step.get_params().get("adversary", step) is not None
    ]
    by_speaker = any(requests(step, "fit", ["speakers"]) for step in active)
    takes_unlabeled = steps[-1] in active and requests(
        steps[-1], "fit", ["X_unlabeled"]
    )
    return by_speaker, bool(takes_unlabeled)


def _is_wanted(one, by_speaker, takes_unlabeled, domains, transductive):
    """Whether a run is one of an estimator with these uses, see `_uses`."""
    is_within = one.pair.is_within
    if one.unlabeled and (is_within or not takes_unlabeled or not transductive):
        return False
    if not by_speaker or is_within:
        return one.domain == ("speaker" if by_speaker else "")
    if one.unlabeled or not takes_unlabeled:
        return one.domain in domains
    if one.domain == "corpus":  # an adversary needs two of them
        return "corpus" in domains and one.pair.n_sources > 1
    return one.domain == "speaker" and domains != ["corpus"]


def _score(utterances, keys, estimator, one, task):
    """Fit on the training rows of a run and predict its test rows, in all folds."""
    [(name, seed, number)] = keys
    train_name, test_name, domain, unlabeled = one.names
    corpora, domains = utterances.corpora, utterances.speakers
    is_target = corpora == test_name
    if domain == "corpus":
        domains = corpora
    elif domain == "both":
        domains = np.where(is_target, corpora, domains)
    extra = np.flatnonzero(is_target) if unlabeled else None
    predicted, seconds = [], []
    for train, test in one.pair.folds:
        model = seeded(estimator, seed)
        of_fit = yield from fit(model, utterances, train, domains, extra)
        y_pred, of_prediction = predict(model, utterances, test, domains)
        predicted.append(pd.Series(y_pred, index=test))
        seconds.append(of_fit | of_prediction)
    predicted = pd.concat(predicted).sort_index()
    knows = unlabeled or kind_of(model) == "transductive"
    known = "utterances, speakers" if domain == "speaker" else "utterances"
    way = {"train": train_name, "test": test_name, "estimator": name}
    way |= {"domain": domain, "unlabeled": unlabeled}
    run = {"seed": seed, "fold": number}
    target = {"target": known if knows else "nothing", "transductive": knows}
    return tables_of(
        utterances,
        predicted.index.to_numpy(),
        predicted.to_numpy(),
        task,
        run=way | run,
        before=way | target | run,
        after=pd.DataFrame(seconds).sum().to_dict(),
    )
