"""Sample events, stories, and a Stripe account in miniature. Never part of the layer."""
