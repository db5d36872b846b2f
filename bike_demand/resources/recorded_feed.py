"""A recording in place of a live system. What a recording is, stands in `history`."""

from datetime import timedelta
from functools import cache
from pathlib import Path

from pydantic import Field

from bike_demand import settings
from bike_demand.failures import PermanentFailure
from bike_demand.history.errors import RecordingError
from bike_demand.history.recording import Recording, open_recording
from bike_demand.resources.station_feed import Reading, StationFeed
from bike_demand.storage.tables import FEED_POLL, REJECTED_RECORD, STATION_STATUS
from bike_demand.storage.windows import Window

CACHE = "recordings"


class RecordedStationFeed(StationFeed):
    """Speaks for one system, for any window within the time that a file covers."""

    path: str = Field(description="A Parquet or CSV file of snapshots, see docs/history.md.")
    system_id: str = Field(description="The system whose stations it holds.")
    timezone: str | None = Field(
        default=None, description="IANA name of the zone of times that state none."
    )
    carry_seconds: float | None = Field(
        default=None,
        description="The file is a change log, and this is how long a station's word holds.",
    )

    def recording(self) -> Recording:
        """The file, checked.

        Raises:
            RecordingError: It cannot be used.
        """
        path = Path(self.path).expanduser().absolute()
        try:
            state = path.stat()
        except OSError as error:
            raise RecordingError(f"{path} cannot be read: {error.strerror}") from None
        home = settings.resolve_home()
        return _open(
            path, home / CACHE, self.timezone, self.carry_seconds, state.st_mtime_ns, state.st_size
        )

    def read(self, window: Window) -> Reading:
        """Read a window.

        Raises:
            PermanentFailure: The file cannot be used, or does not cover the window.
        """
        try:
            recording = self.recording()
            span = recording.span
        except RecordingError as error:
            raise PermanentFailure(str(error)) from error
        if window.start < span.start or window.end > span.end:
            raise PermanentFailure(f"{recording.path} covers {span}, and not {window}.")
        recorded = recording.read(window)
        system = {"system_id": self.system_id}
        return Reading(
            window=window,
            rows=recorded.status.assign(**system)[list(STATION_STATUS.columns)],
            rejected=recorded.rejected.assign(source=STATION_STATUS.name, **system)[
                list(REJECTED_RECORD.columns)
            ],
            polls=recorded.polls.assign(last_updated=None, http_status=None, **system)[
                list(FEED_POLL.columns)
            ],
            answered=(self.system_id,),
            failures={},
        )


@cache  # a process that reads day after day checks the file once
def _open(
    path: Path,
    folder: Path,
    timezone: str | None,
    carry_seconds: float | None,
    *_state: int,
) -> Recording:
    carry = None if carry_seconds is None else timedelta(seconds=carry_seconds)
    return open_recording(path, folder, timezone=timezone, carry=carry)
