"""Names and e-mails in the one form in which they are compared and sorted."""

from unicodedata import combining, normalize

from client_credits.domain.ids import keyed_id

MAX_FOLDED = 100  # characters; an index key takes 1,024 bytes, a client's id and four bytes a character fit
LAST = "\U0010ffff"  # sorts behind every character of a name


def folded(name: str) -> str:
    """A name without case, accents and repeated spaces: "Anna  Ärger" is "anna arger". Empty where nothing is left."""
    plain = " ".join(normalize("NFKD", name.casefold()).casefold().split())
    return "".join(c for c in plain if c.isprintable() and not combining(c))[:MAX_FOLDED]


def folded_email(email: str) -> str:
    """An e-mail address without case, since people write their own in either."""
    return normalize("NFKC", email.strip()).casefold()


def hashed_email(key: bytes, email: str) -> str:
    """What stands for an e-mail in keys: only who has the key can tell whether it is that of an e-mail."""
    return keyed_id("email", key, folded_email(email))
