"""Which addresses may stand behind a link that we show to clients.

Nothing that a browser reads otherwise than we do: no user part, no backslash, no white space, no sign that hides or
turns text. A host is written in ASCII (punycode).
"""

MAX_LINK = 2048  # characters
_HOST = r"[A-Za-z0-9._-]+(?::[0-9]{1,5})?"
_REST = r'(?:[/?#][^\\\s\x00-\x1f\x7f-\x9f<>"\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]*)?'
LINK_PATTERN = rf"https://{_HOST}{_REST}"
ORIGIN_AND_REST = rf"(https?://{_HOST}){_REST}"  # where the origin is judged by itself
