"""Reports: one module each with its row and its page, and `every`, which lists them."""
