"""The practice: its settings, its catalogue, its clients."""
