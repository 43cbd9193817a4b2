"""A client of a dask cluster with which a search survives the loss of a worker.

Searches and extraction run on a dask cluster through joblib's own backend, unchanged.
That backend places large arguments, the features, the labels and the rows of each fold,
in the memory of one worker. dask can run the tasks of a lost worker again, but it
cannot place the arguments again, and the search ends with a `FutureCancelledError`.
"""

import dask
from distributed import Client
from toolz import identity

__all__ = ["DurableClient"]

LARGE_ARGUMENT = "distributed.admin.large-graph-warning-threshold"


class DurableClient(Client):
    """A client whose data outlive the worker that holds them.

    It is a :class:`distributed.Client`, made for joblib: data are sent to the cluster
    as the result of a task, which the scheduler has done again by another worker when
    the first one is lost. All arguments of the constructor are those of
    :class:`distributed.Client`.

    Notes
    -----
    The scheduler keeps a copy of the data for as long as a search, or another call of
    :class:`joblib.Parallel`, takes: the features, the labels and the rows of each fold.

    What is lost with the scheduler, or with the process that runs the search, is lost.

    Examples
    --------
    >>> from joblib import parallel_config
    >>> from distributed import LocalCluster
    >>> from advser import AdversarialSER
    >>> from advser.datasets import load_emodb
    >>> from advser.distributed import DurableClient
    >>> from sklearn.model_selection import GridSearchCV, GroupKFold
    >>> X, y, speakers = load_emodb(return_X_y_speakers=True)
    >>> search = GridSearchCV(
    ...     AdversarialSER(max_epochs=5, random_state=0),
    ...     {"adversary_weight": [0.1, 1]},
    ...     cv=GroupKFold(3),
    ... )
    >>> with (
    ...     LocalCluster(processes=False, dashboard_address=None) as cluster,
    ...     DurableClient(cluster, set_as_default=False) as client,
    ...     parallel_config("dask", client=client),
    ... ):
    ...     search = search.fit(X, y, groups=speakers, speakers=speakers)
    >>> search.cv_results_["mean_test_score"].shape
    (2,)
    """

    def scatter(
        self,
        data,
        workers=None,
        broadcast=False,
        direct=None,
        hash=True,
        timeout=None,
        asynchronous=None,
    ):
        """Send data to the cluster such that the loss of a worker does not lose them.

        Parameters
        ----------
        data : object or list
            What to send; of a list each element on its own.

        workers, broadcast, direct : object
            Ignored: where the data are is up to the scheduler.

        hash : bool, default=True
            Whether equal data are sent once.

        timeout : object
            Ignored: the data are on their way at once.

        asynchronous : bool or None, default=None
            Whether to return an awaitable; None for what the client is.

        Returns
        -------
        futures : Future or list of Future
            What stands for the data as an argument of tasks.
        """
        return self.sync(self._submit_data, data, hash, asynchronous=asynchronous)

    async def _submit_data(self, data, is_pure):
        if type(data) is list:
            return [await self._submit_data(element, is_pure) for element in data]
        return self.submit(identity, data, pure=is_pure)

    def submit(self, func, *args, **kwargs):
        """Submit a task, without dask's warning of large arguments.

        It advises to scatter them, so that the task would not have them again.

        Parameters
        ----------
        func : callable

        *args : tuple

        **kwargs : dict
            As in :meth:`distributed.Client.submit`.

        Returns
        -------
        future : Future
        """
        with dask.config.set({LARGE_ARGUMENT: "1TB"}):
            return super().submit(func, *args, **kwargs)
