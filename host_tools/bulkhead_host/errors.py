"""The exceptions a command may end with, and the exit code each one stands for.

    BulkheadError            1  the command was understood and did not succeed
    +-- UsageError           2  the command line or a file given to it is wrong
    +-- DeviceNotFound       3  no board, or several where one is needed
    +-- DeviceBusy           4  the board is in use, or the system does not permit it
    +-- NotPermitted         4  the board itself does not permit it
    +-- DeviceTimeout        5  the board did not answer in time
    +-- DeviceException      6  the program on the board raised

Exit code 0 is success, 130 the end by Ctrl-C of what was not done, and 141 the end because what
reads the output had gone. `cli.main` is the only place that turns one into the other.
"""


class BulkheadError(Exception):
    """Stop a command with a cause a person can act on.

    `cause` says what is wrong in one sentence; `next_step` says what to do about it, as a
    command where there is one. Both are shown, on standard error, on one line each.
    """

    exit_code = 1

    def __init__(self, cause: str, next_step: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.next_step = next_step


class UsageError(BulkheadError):
    """The command line, or a file it names, is wrong."""

    exit_code = 2


class DeviceNotFound(BulkheadError):
    """No board was found, or several where one is needed."""

    exit_code = 3


class DeviceBusy(BulkheadError):
    """The board is in use by another program, or the system refuses access."""

    exit_code = 4


class NotPermitted(BulkheadError):
    """The board does what was asked only for who has its key."""

    exit_code = 4


class DeviceTimeout(BulkheadError):
    """The board did not answer within the time allowed."""

    exit_code = 5


class DeviceException(BulkheadError):
    """Code on the board raised an exception."""

    exit_code = 6
