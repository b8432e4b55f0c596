"""What can go wrong with the local stack, each with one sentence for whoever typed the command."""


class LocalStackError(Exception):
    """The local stack cannot be started or was found broken; the message is fit to be shown as it is."""


class PortInUse(LocalStackError):
    """Something else listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is in use: stop what listens there, or choose another with PORT={port + 1}.")


class AlreadyRunning(LocalStackError):
    """Another local stack runs with the same directory."""

    def __init__(self, directory: object, pid: int) -> None:
        super().__init__(f"A local stack already runs from {directory} (process {pid}): stop it first.")


class EmulatorFailed(LocalStackError):
    """The emulator ended, or did not become ready in time."""
