"""The whole system on this machine: the AWS emulator, the template deployed to it, keys, tokens, a practice."""
