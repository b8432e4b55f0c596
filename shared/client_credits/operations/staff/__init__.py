"""What staff do: edits, settings, catalogue, clients."""
