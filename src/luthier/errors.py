"""What can go wrong on the user's side of the line. Our own mistakes are `assert`s."""


class LuthierError(Exception):
    """A failure that is told to a person without a traceback.

    The text says what, where and what to do. `exit_code` follows the command line's table:
    1 failed, 2 usage, 3 invalid input, 4 not found, 5 conflict, 130 interrupted, 143 terminated.
    """

    exit_code = 1


class UserError(LuthierError):
    """The input or the configuration is invalid; the user can mend it."""

    exit_code = 3


class UsageError(LuthierError):
    """The command was called wrongly."""

    exit_code = 2


class NotFoundError(LuthierError):
    """A folder, file or model that was named does not exist."""

    exit_code = 4


class ConflictError(LuthierError):
    """Somebody else holds what we need: a run lock, a port, a folder that is not ours."""

    exit_code = 5


class DiskFullError(LuthierError):
    """There is no space left where we write."""


class DivergedError(LuthierError):
    """Training left the finite numbers, and half the learning rate did not help."""


class StoppedError(LuthierError):
    """The run was asked to stop and stopped in good order; running again continues it."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
