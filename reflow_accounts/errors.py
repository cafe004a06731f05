"""Domain errors that services raise, each with an API code and an HTTP status."""

from collections.abc import Mapping
from typing import ClassVar

from reflow_accounts.contract import Code


class DomainError(Exception):
    """An error with a sentence for people (`str(error)`) and extra members for the problem document."""

    code: ClassVar[Code]
    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(self, sentence: str = "", **members: object) -> None:
        super().__init__(sentence or self.title)
        self.members: Mapping[str, object] = members


class Unauthenticated(DomainError):
    """No valid credential. `reason` is one of the five 401 codes of the contract."""

    status = 401
    title = "Not signed in"

    def __init__(self, reason: Code, sentence: str, **members: object) -> None:
        super().__init__(sentence, **members)
        self.reason = reason


class BadRequest(DomainError):
    """An error of a protocol such as OAuth, with its error code as a member."""

    code, status, title = Code.BAD_REQUEST, 400, "Bad request"


class SubscriptionInactive(DomainError):
    code, status, title = Code.SUBSCRIPTION_INACTIVE, 403, "Subscription inactive"


class InsufficientRights(DomainError):
    code, status, title = Code.INSUFFICIENT_RIGHTS, 403, "You do not have access to this"


class NotFound(DomainError):
    code, status, title = Code.NOT_FOUND, 404, "Not found"


class Gone(DomainError):
    code, status, title = Code.GONE, 410, "Gone"


class Conflict(DomainError):
    code, status, title = Code.CONFLICT, 409, "Changed meanwhile"


class Stale(Conflict):
    """A form was sent from a page that shows values which have changed since."""


class RateLimited(DomainError):
    """Too many attempts; `retry_after` is in whole seconds."""

    code, status, title = Code.RATE_LIMITED, 429, "Too many requests"

    def __init__(self, sentence: str, retry_after: int) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """The header that a response to this error has (RFC 6585, section 4)."""
        return {"Retry-After": str(self.retry_after)}


class Unavailable(DomainError):
    code, status, title = Code.UNAVAILABLE, 503, "Not available right now"


class Overloaded(Unavailable):
    """Too many requests of an expensive kind at this moment."""

    def __init__(self) -> None:
        super().__init__("Too many people are logging in at this moment. Try again in a few seconds.")


class ValidationFailed(DomainError):
    """Invalid input: one sentence for each field."""

    code, status, title = Code.VALIDATION_FAILED, 422, "Validation failed"

    def __init__(self, **fields: str) -> None:
        super().__init__(" ".join(f"{sentence}." for sentence in fields.values()))
        self.fields = fields


# The title of a problem depends on its code alone (RFC 9457, 3.1.3).
TITLES: Mapping[Code, str] = {
    error.code: error.title for error in DomainError.__subclasses__() if error is not Unauthenticated
}
