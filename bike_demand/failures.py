"""The two kinds of failure, as Dagster is told of them.

A transient failure is any other exception: the asset's retry policy tries again. A
permanent one is a `PermanentFailure`: trying again cannot help, so no policy does.
"""

import dagster as dg


class PermanentFailure(dg.Failure):
    """What was asked for cannot be done, now or on a retry; the message says what to do."""

    def __init__(self, description: str) -> None:
        super().__init__(description=description, allow_retries=False)
