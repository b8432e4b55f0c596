"""A Stripe account in miniature: it makes the events that Stripe would send."""
