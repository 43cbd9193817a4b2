"""What an estimator uses of the speakers that it predicts."""

from ._scaler import SpeakerScaler

__all__ = ["is_transductive", "scalers"]


def scalers(estimator):
    """Return the scalers in an estimator, by the names of their parameters."""
    parts = {"": estimator, **estimator.get_params()}
    return {
        name: part for name, part in parts.items() if isinstance(part, SpeakerScaler)
    }


def is_transductive(estimator):
    """Whether the prediction for a row depends on the other rows of its batch.

    Raise a ValueError if it depends on their order, which no result records.
    """
    fitted = getattr(estimator, "best_estimator_", estimator)
    unknown = {scaler.unknown for scaler in scalers(fitted).values()}
    if "adapt" in unknown:
        raise ValueError(
            "An estimator in `estimators` has `SpeakerScaler(unknown='adapt')`, so its "
            "score depends on the order of the utterances; score it with "
            "`advser.evaluation.adaptation_curve`, or set `unknown` of its "
            "SpeakerScaler to 'population'."
        )
    return "batch" in unknown
