"""What payments, refunds and subscriptions do to wallets."""
