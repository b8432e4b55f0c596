"""Load, decide, commit: each operation of the system, once per source id, all or nothing."""
