"""Words of fixed sets, as records hold them."""

from typing import NewType

# A word that a later release wrote and this one does not know: it passes through as it is.
Unknown = NewType("Unknown", str)
