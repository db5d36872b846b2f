"""Sums and shares that know what is not known: NaN in, NaN out, and nothing else made up.

Sums of counts are sums of whole numbers, exact in any order.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bike_demand.forecasting.grid import Floats


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[Any]:
    """`part / whole`, NaN where `whole` is not above 0 or either is NaN."""
    shape = np.broadcast_shapes(part.shape, whole.shape)
    shares = np.full(shape, np.nan, dtype=np.result_type(part, whole, np.float32))
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def mean_of_known(values: Sequence[Floats]) -> Floats:
    """The mean of those of some arrays that are not NaN, element by element."""
    total, count = np.zeros_like(values[0]), np.zeros_like(values[0])
    for value in values:
        known = ~np.isnan(value)
        np.add(total, value, out=total, where=known)
        count += known
    return ratio(total, count)
