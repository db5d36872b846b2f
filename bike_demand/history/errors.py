"""The one way in which a recording fails."""


class RecordingError(ValueError):
    """A file cannot be used as a recording; the message names the place and the remedy."""
