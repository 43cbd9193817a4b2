"""
What a few utterances of a new speaker are worth
================================================

Nothing helps as much on a new voice as having heard it before, in whatever mood.
:meth:`SpeakerScaler.enroll <advser.SpeakerScaler.enroll>` takes some utterances of a
new speaker, without their emotions; the classifier behind it is not touched.
"""

# %%
# Each speaker of EmoDB in turn is new. Of her or his utterances, in random order, the
# first k are enrolled; the emotions of those after the tenth are to be recognised, the
# same ones for every k.

import copy

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from advser import AdversarialSER, SpeakerScaler
from advser.datasets import load_emodb
from advser.metrics import unweighted_average_recall

X, y, speakers = load_emodb(return_X_y_speakers=True)
n_enrolled = [0, 1, 2, 3, 5, 10]
n_orders = 10


def answers_by_order(classifier, fit_params=lambda known: {}):
    """Return the true emotions, and those recognised after each k: (n_k, n_rows)."""
    rng = np.random.default_rng(0)
    results = [([], []) for _ in range(n_orders)]
    for speaker in np.unique(speakers):
        known = speakers != speaker
        scaler = SpeakerScaler()
        scaled = scaler.fit_transform(X[known], y[known], speakers=speakers[known])
        classifier.fit(scaled, y[known], **fit_params(known))
        for y_true, y_pred in results:
            order = rng.permutation(np.flatnonzero(~known))
            test, names = order[10:], [speaker] * len(order)
            answers = []
            for k in n_enrolled:
                met = copy.deepcopy(scaler)
                if k:
                    met.enroll(X[order[:k]], speakers=names[:k])
                rows = met.transform(X[test], speakers=names[10:])
                answers.append(classifier.predict(rows))
            y_true.append(y[test])
            y_pred.append(answers)
    return [(np.concatenate(t), np.concatenate(p, axis=1)) for t, p in results]


# %%
# Mean and standard deviation over the orders, for a linear model and for a network
# with its adversary. One utterance moves the linear model more than the choice of an
# adversary does, and ten are worth seven points. The network gains less, with its
# adversary or without.

methods = {
    "logistic regression": answers_by_order(
        LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
    ),
    "AdversarialSER": answers_by_order(
        AdversarialSER(random_state=0), lambda known: {"speakers": speakers[known]}
    ),
}

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, results), marker in zip(methods.items(), "os"):
    uar = np.array(
        [
            [unweighted_average_recall(y_true, answers) for answers in y_pred]
            for y_true, y_pred in results
        ]
    )  # (n_orders, n_k)
    mean, spread = uar.mean(axis=0), uar.std(axis=0)
    (line,) = axis.plot(n_enrolled, mean, marker=marker, linewidth=2, label=name)
    axis.fill_between(
        n_enrolled, mean - spread, mean + spread, color=line.get_color(), alpha=0.15
    )
    print(f"{name:20}", *(f"{k}: {value:.3f}  " for k, value in zip(n_enrolled, mean)))
axis.set(xlabel="enrolled utterances of the new speaker", xticks=n_enrolled)
axis.set(ylabel="unweighted average recall")
axis.legend(frameon=False)
axis.spines[["top", "right"]].set_visible(False)
plt.show()
