"""What payments still stand for, read off their records and the entries of all who have had their credits."""

from collections.abc import Iterable

from client_credits.domain.ids import payment_of
from client_credits.domain.ledger.entries import Act, Cause, CauseKind, untouched
from client_credits.domain.ledger.settling import settle
from client_credits.domain.payments.given_back import given_back
from client_credits.domain.payments.standing import Standing, standing_of
from client_credits.operations.context import Context
from client_credits.operations.payments.steps import SettledPayment, When, lots_and_entries
from client_credits.store.records import Wanted


def standings(context: Context, appointment_type: str, payment_keys: Iterable[str]) -> list[Standing]:
    """One for each grant of one type of these payments, as wallets and refunds stand now. Writes nothing.

    Reads, for each payment, all entries of the wallets that have had its credits since they have.
    """
    payment_ids = sorted({payment_of(key) for key in payment_keys})
    return [each for payment_id in payment_ids for each in _of_one(context, payment_id, appointment_type)]


def _of_one(context: Context, payment_id: str, appointment_type: str) -> list[Standing]:
    record = context.load(Wanted(payments=(payment_id,))).payments[payment_id]
    pairs = tuple((h.client_id, h.appointment_type) for h in record.holders if h.appointment_type == appointment_type)
    clients = tuple(dict.fromkeys(client_id for client_id, _ in pairs))
    loaded = context.load(Wanted(payments=(payment_id,), also=pairs, others=clients))
    record = loaded.payments[payment_id].owned_by(loaded.merged)
    pairs = tuple(dict.fromkeys((loaded.goes_on_as(client_id), kind) for client_id, kind in pairs))
    settled = {pair: settle(untouched(loaded.also[pair]), context.now, loaded.dated_of(pair[0])) for pair in pairs}
    asking = Act("", Cause(CauseKind.EXTENSION), context.actor, context.now, context.now)
    _, families, _ = lots_and_entries(
        context.store, SettledPayment(record, loaded, settled, When(context.now, None)), asking
    )
    back = given_back(record)
    found = []
    for grant, of in families.items():
        lots = (lot for change in settled.values() for lot in change.wallet.open_lots if lot.lot_id in of.lots)
        part = back.part_of(grant.line_id, grant.amount, grant.also)
        found.append(standing_of(grant, of, part, sum(lot.remaining for lot in lots), record.ends))
    return found
