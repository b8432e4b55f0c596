"""The caller and its practice."""

from client_credits.domain.ledger.entries import Actor
from client_credits.domain.payments.references import link_for
from client_credits.domain.practice.records import Account
from client_credits.domain.practice.settings import effective
from client_credits.http.schemas.common import View


class PracticeView(View):
    id: str
    name: str | None
    timezone: str
    enabled: bool
    packages_url: str | None


class MeView(View):
    """`client_id` is there for role client, whose `packages_url` names it where the address asks for that.
    `subject` is the id under which the caller acts in entries."""

    practice: PracticeView
    role: str
    client_id: str | None
    subject: str


def me_view(account: Account, actor: Actor, client_id: str | None) -> MeView:
    settings = effective(account.values)
    url = settings.packages_url
    practice = PracticeView(
        id=account.practice_id,
        name=account.values.get("name"),
        timezone=settings.timezone,
        enabled=settings.enabled,
        packages_url=link_for(url, client_id) if url and client_id else url,
    )
    return MeView(practice=practice, role=actor.kind, client_id=client_id, subject=actor.actor_id)
