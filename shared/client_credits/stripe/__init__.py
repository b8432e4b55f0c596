"""Stripe: its events as facts, its API, and the comparison with the ledger."""
