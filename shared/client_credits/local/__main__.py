"""``python -m client_credits.local``: what ``make run`` starts. Runs in the foreground until asked to stop."""

import os
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

from client_credits.deploying.errors import DeploymentFailed
from client_credits.local.errors import EmulatorFailed, LocalStackError
from client_credits.local.stack import ROOT, Stack, running_stack
from client_credits.local.welcome import welcome

DEFAULT_PORT = 4566
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(BaseException):
    """A signal asked us to stop; no error."""


def main() -> int:
    """Run the local stack; returns the exit status."""
    is_ready = False
    try:
        for number in _SIGNALS:
            signal.signal(number, _stop)
        is_empty = os.environ.get("EMPTY", "") not in ("", "0")
        print("Starting the emulator and deploying the template…", flush=True)
        with running_stack(ROOT / ".local", _port(), fresh=is_empty, demo=not is_empty) as stack:
            is_ready = True
            print(welcome(stack), flush=True)
            _wait(stack)
    except _Stopped:
        if not is_ready:
            print("Stopped before it was ready; nothing is left running.", file=sys.stderr)
            return 130
        print("Stopped; the state is kept for the next start.", flush=True)
        return 0
    except (LocalStackError, DeploymentFailed) as error:
        print(error, file=sys.stderr)
        return 1


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # Stopping takes a few seconds and must not be cut short by a second Ctrl-C.
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    print("\nStopping…", flush=True)
    raise _Stopped


def _wait(stack: Stack) -> NoReturn:
    while stack.emulator.is_running:
        time.sleep(0.5)
    raise EmulatorFailed(f"The emulator ended; its log is {stack.emulator.log_path}.")


def _port() -> int:
    text = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not text.isdigit() or not 1024 <= int(text) <= 65535:
        raise LocalStackError(f"PORT must be a number from 1024 to 65535, not {text!r}.")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
