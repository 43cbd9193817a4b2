"""The checks of scikit-learn that every estimator passes."""

from collections import Counter

from sklearn.utils.estimator_checks import check_estimator


def assert_passes_all_checks(estimator):
    """Run the checks of an estimator, and name all that fail."""
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    failed = {
        result["check_name"]: str(result["exception"])
        for result in results
        if result["status"] not in ("passed", "skipped")
    }
    assert failed == {}
    assert Counter(result["status"] for result in results)["passed"] > 50
