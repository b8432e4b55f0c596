"""The steps that follow a payment's record: each from its wallets, settled, to what they become.

Nothing is written here. `following` loads, carries the steps out in their order and commits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from client_credits.domain.ids import payment_key
from client_credits.domain.ledger.entries import Act, Cause, CauseKind, Change, Entry
from client_credits.domain.ledger.freezing import refreeze, refrozen
from client_credits.domain.ledger.wallet import Freeze, Wallet
from client_credits.domain.payments.clawing_back import Books, Ledger, Pair, claw, waited_for
from client_credits.domain.payments.disputing import lots_by_client, waits
from client_credits.domain.payments.facts import DisputeStatus, RefundStatus
from client_credits.domain.payments.families import Family, family
from client_credits.domain.payments.given_back import given_back
from client_credits.domain.payments.news import CREDITED, news_of
from client_credits.domain.payments.payment_record import PaidGrant, PaymentRecord
from client_credits.domain.payments.returning import repayers
from client_credits.operations.committing import knowing, knowing_cycles
from client_credits.operations.context import STRIPE
from client_credits.store.records import Loaded
from client_credits.store.store import Store

CHANGED = "changed"  # that a payment owns another number than its record says
EXTEND = "extend"  # what only disputes that were won do
CLAWBACK = "clawback"
_IDLE = (DisputeStatus.WARNED, DisputeStatus.CALMED, DisputeStatus.OPEN)  # they move no credits; the last one freezes
_RETURNS = (DisputeStatus.WON, RefundStatus.FAILED, "void", "attached")


@dataclass(frozen=True, slots=True)
class When:
    """When we decide, and when credits came back, where that is what is followed."""

    now: datetime
    returned_at: datetime | None


@dataclass(frozen=True, slots=True)
class SettledPayment:
    """A payment's record with all its wallets, settled."""

    record: PaymentRecord
    loaded: Loaded
    changes: dict[Pair, Change]
    when: When
    is_repeated: bool = False


Step = Callable[[Store, SettledPayment], tuple[PaymentRecord, dict[Pair, Change], Act]]


def take_back(store: Store, payment: SettledPayment) -> tuple[PaymentRecord, dict[Pair, Change], Act]:
    """Takes the credits that the money given back paid for, and reinstates those whose money is here after all."""
    act, record = _named(payment.record, CLAWBACK, payment)
    taking, _ = _named(payment.record, CLAWBACK, payment, only=_takes)
    known, families, ledger = lots_and_entries(store, payment, act)
    books, grants = Books(known, act, ledger, taking), []
    back = given_back(record)
    for grant in record.grants:
        if grant in families:
            part = back.part_of(grant.line_id, grant.amount, grant.also)
            owe = payment.loaded.dated_of(grant.client_id).at(act.occurred_at).clawback_shortfall == "debt"
            known_family = families[grant]
            grants.append(claw(books, record.payment_id, grant, part, known_family, owe=owe, ends=record.ends))
        else:
            grants.append(grant)
    after = books.changes()
    made = {pair: change if change is not known[pair] else payment.changes[pair] for pair, change in after.items()}
    if any(made[pair] is not payment.changes[pair] for pair in made) or tuple(grants) != record.grants:
        return replace(record, grants=tuple(grants)), made, act
    return payment.record, made, act


def put_off(store: Store, payment: SettledPayment) -> tuple[PaymentRecord, dict[Pair, Change], Act]:
    """Lots end later by what they waited in disputes that were won."""
    act, record = _named(payment.record, EXTEND, payment)
    known, families, ledger = lots_and_entries(store, payment, act)
    after = {pair: waited_for(change, families.values(), ledger, act) for pair, change in known.items()}
    made = {pair: change if change is not known[pair] else payment.changes[pair] for pair, change in after.items()}
    return (record if any(made[pair] is not payment.changes[pair] for pair in made) else payment.record), made, act


def lots_and_entries(
    store: Store, payment: SettledPayment, act: Act
) -> tuple[dict[Pair, Change], dict[PaidGrant, Family], Ledger]:
    """The wallets knowing every lot that credits may return to, and what their entries tell of each grant."""
    record, types = payment.record, {appointment_type for _, appointment_type in payment.changes}
    ledger = Ledger(
        {kind: _ledger(store, payment, kind) for kind in sorted(types)},
        waits(record.disputes),
        {r.refund_id: r.at for r in record.refunds if r.status is RefundStatus.FAILED},
    )
    grants = [grant for grant in record.grants if grant.appointment_type in types and grant.lot_id]
    families = {
        grant: family(record.payment_id, grant, ledger.of(grant.appointment_type), record.ends) for grant in grants
    }
    lots = _lots_to_know(record, families, ledger)
    known = {pair: _knowing(store, payment, act, pair, lots.get(pair, ())) for pair in payment.changes}
    return known, families, ledger


def _knowing(store: Store, payment: SettledPayment, act: Act, pair: Pair, lot_ids: Sequence[str]) -> Change:
    """The wallet with these lots beside its own, those that had left it as frozen as their payment's others."""
    change = knowing(store, payment.changes[pair], lot_ids)
    lots = [lot for lot_id in lot_ids if (lot := change.wallet.lot(lot_id))]
    change = knowing_cycles(store, change, lots, act.occurred_at, act.now)
    wallet = refrozen(change.wallet, payment.loaded.settings_of(pair[0]))
    return change if wallet is change.wallet else replace(change, wallet=wallet)


def _lots_to_know(record: PaymentRecord, families: dict[PaidGrant, Family], ledger: Ledger) -> dict[Pair, list[str]]:
    """The lots of each wallet that credits may return to, or whose ends may move."""
    found: dict[Pair, list[str]] = {}
    for grant, of in families.items():
        kind, entries = grant.appointment_type, ledger.of(grant.appointment_type)
        for taken in grant.taken:
            found.setdefault((taken.client_id, kind), []).append(taken.lot_id)
        if grant.owed:
            repaid = repayers(entries, grant.client_id, payment_key(record.payment_id, grant.line_id))
            found.setdefault((grant.client_id, kind), []).extend(each.lot_id for each in repaid)
        if ledger.waits:
            for client_id, lots in lots_by_client(entries, of.lots).items():
                found.setdefault((client_id, kind), []).extend(lots)
    return found


def _ledger(store: Store, payment: SettledPayment, appointment_type: str) -> list[Entry]:
    """The entries of all wallets of a type that have had credits of the payment, each as far as it was loaded."""
    since = {h.client_id: h.since for h in payment.record.holders if h.appointment_type == appointment_type}
    found: list[Entry] = []
    for (client_id, kind), change in payment.changes.items():
        if kind == appointment_type:
            for owner, first in _read_from(change.before, since):
                stored = store.entries_after(change.before.practice_id, owner, kind, first)
                known = owner != client_id or change.before.sequence
                found += [replace(e, client_id=client_id) for e in stored if known is True or e.sequence <= known]
            found += change.entries
    return found


def _read_from(wallet: Wallet, since: dict[str, int]) -> list[tuple[str, int]]:
    """Behind which entry to read a wallet and those that it took in, given since when each has had credits.

    Those taken in come first. One that took in another one by itself, before, is read whole.
    """
    first = [each.since for each in wallet.taken_in if each.client_id in since]
    first += [since[wallet.client_id]] if wallet.client_id in since else []
    begun = False
    found: list[tuple[str, int]] = []
    for each in wallet.taken_in:
        begun = begun or each.client_id in since
        if begun:
            found.append((each.client_id, since.get(each.client_id, 0)))
    return [*found, (wallet.client_id, min(first))]


def freeze_more(store: Store, payment: SettledPayment) -> tuple[PaymentRecord, dict[Pair, Change], Act]:
    """Adds the causes that freeze; those that are over stay until what they cost is taken."""
    return _freeze(payment, lambda causes: tuple(dict.fromkeys((*causes, *payment.record.open_disputes))))


def freeze_exactly(store: Store, payment: SettledPayment) -> tuple[PaymentRecord, dict[Pair, Change], Act]:
    return _freeze(payment, lambda causes: payment.record.open_disputes)


def _freeze(
    payment: SettledPayment, causes: Callable[[tuple[Freeze, ...]], tuple[Freeze, ...]]
) -> tuple[PaymentRecord, dict[Pair, Change], Act]:
    act, named = _named(payment.record, "freeze", payment)
    changes = dict(payment.changes)
    for (client_id, kind), change in payment.changes.items():
        keys = [payment_key(named.payment_id, g.line_id) for g in named.grants if g.appointment_type == kind]
        frozen = {k: causes(change.wallet.mark(k).frozen) for k in keys}
        changes[client_id, kind] = refreeze(change, frozen, act, payment.loaded.settings_of(client_id))
    made = any(changes[pair] is not payment.changes[pair] for pair in changes)
    return (named if made else payment.record), changes, act


def _takes(what: str) -> bool:
    """Whether news take something back, rather than give it back."""
    return _status(what) not in _RETURNS


def _status(what: str) -> str:
    return what.split("/")[1]


def _about(what: str) -> str:
    return what.split("/", maxsplit=1)[0]


def _refunds_taken(record: PaymentRecord) -> set[str]:
    """The refunds that were followed and have not failed since: another word of one of them takes no more."""
    last = {
        _about(what): _status(what) for verb, _, what in (f.partition("/") for f in record.followed) if verb == CLAWBACK
    }
    return {r.refund_id for r in record.refunds if last.get(r.refund_id, RefundStatus.FAILED) != RefundStatus.FAILED}


def _named(
    record: PaymentRecord, verb: str, payment: SettledPayment, only: Callable[[str], bool] = bool
) -> tuple[Act, PaymentRecord]:
    """The act, named after the newest news not followed yet: `clawback/<refund or dispute>/<status>`. Of news that
    `only` lets through, where there are such.

    What follows from the same news again, when credits return later, is numbered by the record's version.
    """
    now = payment.when.now
    paid_at = record.paid_at or now
    changed = [(at, f"{CHANGED}/{payment_id}") for at, payment_id in record.reckoned]
    own = [(paid_at, standing) for standing in record.standing] + record.cut_short + changed
    dated = sorted([(at, f"{record.payment_id}/{what}") for at, what in own] + news_of(record))
    if verb == EXTEND:
        dated = [(at, what) for at, what in dated if _status(what) == DisputeStatus.WON]
    if verb == CLAWBACK:
        dated = [(at, what) for at, what in dated if _status(what) not in _IDLE]
    dated = [(at, what) for at, what in dated if only(what)] or dated
    known = _refunds_taken(record) if verb == CLAWBACK else set()
    new = [
        (at, what)
        for at, what in dated
        if f"{verb}/{what}" not in record.followed and not (_about(what) in known and _takes(what))
    ]
    at, what = (new or dated or [(paid_at, record.payment_id)])[-1]
    source_id = f"{verb}/{what}"
    if new:
        record = replace(record, followed=(*record.followed, source_id))
        at = max(at, payment.when.returned_at or at)  # what returned was not there when the news came
    else:
        source_id, at = f"{source_id}/{record.version}", payment.when.returned_at or now
    return Act(source_id, _cause(record, what), STRIPE, min(max(at, paid_at), now), now), record


def _cause(record: PaymentRecord, what: str) -> Cause:
    """The refund, dispute, credit note or charge that was heard, or the payment's subscription."""
    ids = {"payment": record.payment_id}
    about, status = f"{what}/".split("/")[:2]
    if about == record.payment_id and record.within:
        return Cause(CauseKind.PACKAGE, ids | {"granted_by": record.within})
    if about == record.payment_id and status == CHANGED and record.subscription is None:
        return Cause(CauseKind.PACKAGE, ids | {"granted_by": what.rpartition("/")[2]})
    if about == record.payment_id and status not in ("", CREDITED):
        return Cause(CauseKind.SUBSCRIPTION, ids | {"subscription": record.subscription or ""})
    if about in {dispute.dispute_id for dispute in record.disputes}:
        return Cause(CauseKind.DISPUTE, ids | {"dispute": about})
    kind = next((kind for kind, known in _named_by(record).items() if about in known), None)
    return Cause(CauseKind.REFUND, ids | ({kind: about} if kind else {}))


def _named_by(record: PaymentRecord) -> dict[str, set[str]]:
    return {
        "refund": {refund.refund_id for refund in record.refunds},
        "credit_note": {note.note_id for note in record.notes},
        "charge": {paid_by.charge for paid_by in record.paid_by if paid_by.charge},
        "payment_intent": {paid_by.name for paid_by in record.paid_by},
    }
