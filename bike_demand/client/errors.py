"""What can go wrong between a client and the API."""

from collections.abc import Sequence
from dataclasses import dataclass


class ClientError(Exception):
    """The API was asked, and there is no answer that can be used."""


class UnreachableError(ClientError):
    """Nobody answers at the address, or not in time. The same call may succeed later."""


class AnswerError(ClientError):
    """What answered is not the API, or another version of it."""


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one part of a request.

    Attributes:
        location: Which part, such as `query.hours`.
        message: What is wrong with it.
    """

    location: str
    message: str


class ProblemError(ClientError):
    """The API says why it does not answer (RFC 9457). The same call fails again.

    Attributes:
        status: Of HTTP.
        title: In a few words.
        detail: In a sentence; None if there is none.
        type: A URI of the kind of problem; `about:blank` if the status says all.
        errors: Of a request that cannot be understood, what is wrong with its parts.
        request_id: Of this request, as the server's log has it; None if it is not told.
    """

    def __init__(  # the fields of a problem
        self,
        status: int,
        title: str,
        detail: str | None = None,
        *,
        type: str = "about:blank",  # noqa: A002  # as the RFC calls it
        errors: Sequence[FieldError] = (),
        request_id: str | None = None,
    ) -> None:
        told = [f"{status} {title}", detail or ""]
        if not detail:
            told += [f"{error.location}: {error.message}" for error in errors]
        super().__init__(": ".join(part for part in told if part))
        self.status, self.title, self.detail, self.type = status, title, detail, type
        self.errors, self.request_id = tuple(errors), request_id


class TransientProblemError(ProblemError):
    """The API does not answer now; the same call may succeed later.

    Attributes:
        retry_after: When, as the server says [s]; None if it does not.
    """

    retry_after: float | None = None
