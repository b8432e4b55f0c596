"""A request that is refused before, or beside, what the domain says of it."""


class Refused(Exception):
    """Status, code and sentence of the answer, with its headers. Nothing was written."""

    def __init__(self, status: int, code: str, detail: str, **headers: str) -> None:
        super().__init__(code)
        self.status, self.code, self.detail, self.headers = status, code, detail, headers
