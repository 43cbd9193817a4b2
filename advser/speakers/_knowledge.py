"""What a fitted or unfitted estimator uses of the speakers that it predicts."""

from ._scaler import SpeakerScaler

__all__ = ["is_transductive", "refuse_adaptive"]


def is_transductive(estimator):
    """Whether the prediction for a row depends on the other rows of its batch."""
    return "batch" in _unknown(estimator)


def refuse_adaptive(estimator):
    """Raise if predictions depend on the order of the rows, which is not recorded."""
    if "adapt" in _unknown(estimator):
        raise ValueError(
            "An estimator in `estimators` has `SpeakerScaler(unknown='adapt')`, so its "
            "score depends on the order of the utterances; score it with "
            "`advser.evaluation.adaptation_curve`, or set `unknown` of its "
            "SpeakerScaler to 'population'."
        )


def _unknown(estimator):
    """Return the parameter `unknown` of every scaler in an estimator."""
    fitted = getattr(estimator, "best_estimator_", estimator)
    return [
        part.unknown
        for part in [fitted, *fitted.get_params().values()]
        if isinstance(part, SpeakerScaler)
    ]
