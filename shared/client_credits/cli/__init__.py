"""The `credits` command: one file per group of commands; what is heavy is imported by the command that needs it."""
