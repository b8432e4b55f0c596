"""What the system costs, next to its budgets: `make bench`, or `python -m bench --help`."""
