"""Payments: what they grant, what is given back of them, and how subscriptions stand."""
