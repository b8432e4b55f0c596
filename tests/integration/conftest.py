"""What the tests against engines share."""

from tests.support.engines import emulator, engine, moto, no_waiting

__all__ = ["emulator", "engine", "moto", "no_waiting"]
