"""Stripe's events as facts of the domain."""
