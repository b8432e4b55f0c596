"""How large the numbers of the domain may be."""

MAX_CREDITS = 1_000_000  # in one number, either way
MAX_SEATS = 100  # of one booking
