"""Clients: profiles, and the list with balances."""

from typing import Annotated

from pydantic import Field, StrictInt

from client_credits.domain.practice.records import MAX_CUSTOMERS, Client
from client_credits.http.schemas.common import Id, Request, Text, View
from client_credits.http.schemas.credits import EntryView


class ClientPut(Request):
    id: Id | None = Field(default=None, description="May be repeated from the path, not changed.")
    name: Text | None = None
    email: Annotated[str, Field(strict=True, pattern=r"^[^@\s]{1,64}@[^@\s]{1,255}$")] | None = None
    stripe_customers: Annotated[list[Id], Field(max_length=MAX_CUSTOMERS)] = Field(default_factory=list)
    external_ids: Annotated[dict[Id, Id], Field(max_length=20)] = Field(default_factory=dict)

    def client(self, client_id: str) -> Client:
        return Client(
            client_id=client_id,
            name=self.name,
            email=self.email,
            stripe_customers=tuple(dict.fromkeys(self.stripe_customers)),
            external_ids=dict(sorted(self.external_ids.items())),
        )


class MergePost(Request):
    """`into` is the client that goes on for both; its profile and settings stand."""

    into: Id


class ClientSearch(Request):
    """`q` is what a name (whatever its case and accents) or an id begins with; `email` is a whole address."""

    q: Text | None = None
    email: Annotated[str, Field(strict=True, min_length=3, max_length=320)] | None = None
    limit: Annotated[StrictInt, Field(ge=1, le=100)] = 50
    cursor: Annotated[str, Field(strict=True, max_length=5000)] | None = None


class ClientView(View):
    id: str
    name: str | None
    email: str | None
    stripe_customers: list[str]
    external_ids: dict[str, str]


def client_view(client: Client) -> ClientView:
    return ClientView(
        id=client.client_id,
        name=client.name,
        email=client.email,
        stripe_customers=list(client.stripe_customers),
        external_ids=client.external_ids,
    )


class MergedView(View):
    """Who goes on for both, and the entries that moved the credits."""

    client: ClientView
    entries: list[EntryView]


class ListedClientView(ClientView):
    balances: dict[str, int]
