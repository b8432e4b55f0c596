"""Wallets and the ledger: lots, debts, entries, and every rule that moves credits by itself."""
