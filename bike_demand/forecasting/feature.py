"""What a feature says of itself. What its values are is computed by the modules of its family."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Feature:
    """One column of a feature table.

    Attributes:
        name: The column.
        meaning: What it says, in a sentence.
        unit: Of its values; empty for flags.
        lookback: It is computed from what was known of [origin - lookback, origin], no more.
        source: What it is made from: a table of the warehouse, or `clock`.
        dtype: `float32` (NaN where unknown), or `int16` or `bool`, which are always known.
    """

    name: str
    meaning: str
    unit: str
    lookback: timedelta
    source: str
    dtype: str = "float32"
