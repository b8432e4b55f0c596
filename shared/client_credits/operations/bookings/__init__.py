"""What bookings do to wallets."""
