"""What can go wrong when Stripe is asked. Messages never hold a key or what Stripe said in words."""

KEY_REUSED = "idempotency_error"  # our code for a key that stands for another request at Stripe


class StripeUnavailable(Exception):
    """Stripe could not be asked now, or asks us to wait: try again later."""

    def __init__(self, why: str, request_id: str | None = None) -> None:
        super().__init__(f"Stripe is not available: {why}" + (f" (request {request_id})" if request_id else ""))
        self.request_id = request_id


class StripeRefused(Exception):
    """Stripe answered no, and will again: `status` is 401 for a wrong key, 403 for a key that may not do this,
    404 for an object that is not there (or is another account's)."""

    def __init__(self, status: int, code: str | None = None, request_id: str | None = None) -> None:
        detail = f"status {status}" + (f", {code}" if code else "") + (f" (request {request_id})" if request_id else "")
        super().__init__(f"Stripe refused: {detail}")
        self.status = status
        self.code = code
        self.request_id = request_id
