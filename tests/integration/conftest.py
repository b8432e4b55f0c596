"""What the tests against engines share."""

from tests.support.api import api
from tests.support.engines import emulator, engine, moto, no_waiting
from tests.support.memory_engine import memory
from tests.support.records import store, table

__all__ = ["api", "emulator", "engine", "memory", "moto", "no_waiting", "store", "table"]
