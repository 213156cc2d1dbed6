"""Every error Personalign raises on purpose.

A message is a full sentence: the value received, what is accepted, the next step.

    PersonalignError
    |-- InventoryError        an item, facet or form that does not exist
    |-- AnswersError          one person's answers: out of range, too few, duplicate, unknown
    |-- PeopleError           a file of people: unreadable, or in a coordinate nobody can tell
    |-- ModelError            no decoder, no heads to be found, a model file that is corrupt
    |-- PersonaError          a persona file that is corrupt or belongs to another model
    |   `-- UnknownPersonaError  a name that no persona has
    |-- SteeringError         a shift that does not fit, or logits that are no longer finite
    |-- ExportError           a persona that another engine's files cannot hold, or did not
    |-- MethodError           an unknown method, or a setting it cannot take
    |-- EvaluationError       a score that cannot be computed as asked
    |   `-- InputRefused      a file or text of a study that cannot be used
    |-- ServingError          a server that is full or closed
    |   |-- EngineFull        too many requests are waiting
    |   `-- EngineClosed      it takes no more requests
    |-- SiteError             a web site's database, key or settings that cannot be used
    |   `-- RoleRefused       a role that cannot be given or taken
    |-- ApiError              an endpoint that is down, refuses, or makes no sense
    `-- MissingPackageError   an optional package that is not installed
"""

from __future__ import annotations


class PersonalignError(Exception):
    """Base of all errors raised on purpose; the command line prints it and exits with 1."""


class InventoryError(PersonalignError):
    """An item, facet or form that the inventory does not have."""


class AnswersError(PersonalignError):
    """One person's answers are out of range, too few, duplicate or unknown."""


class PeopleError(PersonalignError):
    """A file of people cannot be read, or its coordinate cannot be told."""


class ModelError(PersonalignError):
    """A model cannot be loaded, is no decoder, or hides its attention heads."""


class PersonaError(PersonalignError):
    """A persona's files are corrupt, or were made for another model."""


class UnknownPersonaError(PersonaError):
    """No persona of this name is here."""


class SteeringError(PersonalignError):
    """A shift does not fit the model, or makes its logits non-finite."""


class ExportError(PersonalignError):
    """A persona cannot be written for another engine, or what was written is not the same."""


class MethodError(PersonalignError):
    """A method is unknown, or was given a setting it cannot take."""


class EvaluationError(PersonalignError):
    """A score cannot be computed from what was given."""


class InputRefused(EvaluationError):
    """A file or text of a study cannot be used; `reason` says why in one word, `values` what of it,
    for a site that says it in the reader's language."""

    def __init__(self, reason: str, sentence: str, **values: object) -> None:
        super().__init__(sentence)
        self.reason, self.values = reason, values


class ApiError(PersonalignError):
    """A black-box endpoint is down, refuses the request, or answers with something unreadable."""


class ServingError(PersonalignError):
    """A server cannot take what it is asked for now."""


class EngineFull(ServingError):
    """The engine's queue is full; the same request may be taken later."""


class EngineClosed(ServingError):
    """The engine is shutting down and takes no more requests."""


class SiteError(PersonalignError):
    """A web site's database, key or settings cannot be used."""


class RoleRefused(SiteError):
    """A role of a site cannot be given or taken; `reason` says why in one word."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class MissingPackageError(PersonalignError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self._given = (package, extra, purpose)
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed. "
            f'Install it with: pip install "personalign[{extra}]"'
        )

    def __reduce__(self) -> tuple[type[MissingPackageError], tuple[str, str, str]]:
        """For the way back from another process: made again from what it was made from."""
        return (type(self), self._given)
