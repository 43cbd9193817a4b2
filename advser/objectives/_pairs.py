"""Mean squared distances between all pairs of speakers."""

from torch import Tensor


def mean_over_pairs(inner: Tensor, squared: Tensor, counts_in: Tensor) -> Tensor:
    r"""Return the mean of :math:`\lVert a_s - a_t \rVert^2` over pairs of speakers.

    Parameters
    ----------
    inner : Tensor of shape (n_speakers, n_speakers)
        Inner products :math:`\langle a_s, a_t \rangle`.

    squared : Tensor of shape (n_speakers,)
        Squared norms :math:`\lVert a_s \rVert^2`, or estimates of them.

    counts_in : Tensor of shape (n_speakers,), bool
        Speakers whose pairs count.

    Returns
    -------
    mean : Tensor of shape ()
        0 if there is no pair.
    """
    distances = squared[:, None] + squared - 2 * inner
    is_pair = (counts_in[:, None] & counts_in).triu(1).to(inner)
    return (is_pair * distances).sum() / is_pair.sum().clamp(min=1)
