"""Every error the testbed raises on purpose.

TestbedError
├── ConfigError          a file a person wrote is wrong: says file, YAML path, hint
├── DecodeError          bytes from a wire cannot be read
├── RejectedError        a readable message breaks a rule of the guideline
├── WireError            a transport failed
│   └── NotConnected     sentinel: the supervisor reconnects with back-off
├── EndOfStream          sentinel: a source has nothing more to give
├── StoreError           a store refused or is out of reach
│   └── StoreUnavailable worth a retry: nothing was written
├── ModelError           a model cannot be trained, loaded or applied
├── RunError             a run cannot go on: the machine, not the request, is at fault
├── CommandRefused       equipment or gateway declines a command, with its reason
└── CommandFailed        equipment accepted a command and could not finish it
"""


class TestbedError(Exception):
    """Root of all errors raised on purpose; its text is one line for a person."""

    __test__ = False  # not a pytest class


class ConfigError(TestbedError):
    """A configuration is wrong.

    Parameters
    ----------
    where
        ``file:yaml.path`` of the fault.
    what
        What is wrong, in one clause.
    hint
        What to do about it.
    """

    def __init__(self, where: str, what: str, hint: str = "") -> None:
        self.where, self.what, self.hint = where, what, hint
        super().__init__(f"{where}: {what}" + (f" ({hint})" if hint else ""))


class DecodeError(TestbedError):
    """Bytes from a wire cannot be read; ``reason`` is a short stable code."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class RejectedError(DecodeError):
    """A readable message breaks a rule of the guideline."""


class WireError(TestbedError):
    """A transport failed."""


class NotConnected(WireError):
    """The peer is not reachable (any more); the supervisor reconnects."""


class EndOfStream(TestbedError):
    """A source has nothing more to give."""


class StoreError(TestbedError):
    """A store refused what it was given."""


class StoreUnavailable(StoreError):
    """A store is out of reach; nothing was written, a retry is safe."""


class ModelError(TestbedError):
    """A model cannot be trained, loaded or applied."""


class RunError(TestbedError):
    """A run cannot go on: the machine, not the request, is at fault."""


class CommandRefused(TestbedError):
    """A command is declined; the text is the reason given to its issuer."""


class CommandFailed(TestbedError):
    """A command was accepted and could not be finished; the text is the reason given to its issuer."""
