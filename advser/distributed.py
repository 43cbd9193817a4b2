"""A client of a dask cluster that lets a search continue after the loss of a worker.

joblib's own dask backend runs searches and extraction on a cluster. It stores large
arguments, such as the features, the labels and the rows of each fold, in the memory of
one worker. If a worker is lost, dask can run its tasks again, but it cannot restore
such arguments: the search ends with a `FutureCancelledError`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import dask
from distributed import Client, Future
from toolz import identity

__all__ = ["DurableClient"]

LARGE_ARGUMENT = "distributed.admin.large-graph-warning-threshold"


class DurableClient(Client):
    """A client whose data are not lost with the worker that stores them.

    It is a :class:`distributed.Client` for joblib and has the same parameters. It sends
    data to the cluster as the result of a task. If a worker is lost, the scheduler lets
    another worker run this task again.

    Notes
    -----
    The scheduler keeps a copy of the data until the search, or another call of
    :class:`joblib.Parallel`, ends. The loss of the scheduler, or of the process that
    runs the search, still ends the search.

    Examples
    --------
    >>> from distributed import LocalCluster
    >>> from joblib import parallel_config
    >>> from sklearn.model_selection import GridSearchCV, GroupKFold
    >>> from advser import AdversarialSER
    >>> from advser.datasets import load_emodb
    >>> from advser.distributed import DurableClient
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> search = GridSearchCV(
    ...     AdversarialSER(max_epochs=5, random_state=0),
    ...     {"adversary__weight": [0.1, 1]},
    ...     cv=GroupKFold(3),
    ... )
    >>> with (
    ...     LocalCluster(processes=False, dashboard_address="localhost:0") as cluster,
    ...     DurableClient(cluster, set_as_default=False) as client,
    ...     parallel_config("dask", client=client),
    ... ):
    ...     search = search.fit(X, y, groups=speakers, speakers=speakers)
    >>> search.cv_results_["mean_test_score"].shape
    (2,)
    """

    def scatter(  # type: ignore[override]  # other parameters go into `ignored`
        self,
        data: Any,
        *,
        hash: bool = True,
        asynchronous: bool | None = None,
        **ignored: Any,
    ) -> Future | list[Future] | Awaitable:
        """Send data to the cluster so that they survive the loss of a worker.

        Parameters
        ----------
        data : object or list
            What to send; each element of a list becomes a future of its own.

        hash : bool, default=True
            Whether equal data are sent only once.

        asynchronous : bool or None, default=None
            Whether to return an awaitable; None uses the setting of the client.

        **ignored : dict
            Other parameters of :meth:`distributed.Client.scatter`; the scheduler
            chooses the workers that store the data.

        Returns
        -------
        futures : Future or list of Future
            The arguments of tasks that represent the data.
        """
        return self.sync(self._submit_data, data, hash, asynchronous=asynchronous)

    async def _submit_data(self, data, is_pure):
        if type(data) is list:
            return [await self._submit_data(element, is_pure) for element in data]
        return self.submit(identity, data, pure=is_pure)

    def submit(self, func: Callable, *args: Any, **kwargs: Any) -> Future:
        """Submit a task as :meth:`distributed.Client.submit`, without a size warning.

        dask warns of large arguments and advises to scatter them; `scatter` uses them
        on purpose.

        Parameters
        ----------
        func : callable

        *args : tuple

        **kwargs : dict

        Returns
        -------
        future : Future
        """
        with dask.config.set({LARGE_ARGUMENT: "1TB"}):
            return super().submit(func, *args, **kwargs)
