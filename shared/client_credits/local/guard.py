"""Entry point of the emulator's process: the emulator, tied to the life of the process that started it.

Whoever starts it hands over the reading end of a pipe as standard input and keeps the writing end. However that
process dies, kill -9 included, the pipe closes, and the emulator ends with it; its workers read from pipes of the
emulator and end in turn. Nothing stays behind, the description of the stack in the working directory neither.
"""

import os
import sys
import threading
from pathlib import Path

from client_credits.local.mending import mend_updates_of_nested_stacks


def _end_with_parent(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    Path("stack.json").unlink(missing_ok=True)
    os._exit(1)


def main() -> None:
    """Run the emulator until it is asked to stop or its parent is gone."""
    descriptor = os.dup(sys.stdin.fileno())
    os.set_inheritable(descriptor, False)
    threading.Thread(target=_end_with_parent, args=(descriptor,), daemon=True).start()
    # Loading the emulator takes a second or two, in which the parent may already be gone.
    from ministack.app import main as run_emulator  # noqa: PLC0415

    mend_updates_of_nested_stacks()
    run_emulator()


if __name__ == "__main__":
    main()
