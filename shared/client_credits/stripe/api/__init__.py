"""Stripe's API, as far as it is asked."""
