"""`credits trigger story`: a story of Stripe's events, played step by step, with what the client then has."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from uuid import uuid4

import typer

from client_credits.cli.errors import CommandError
from client_credits.cli.output import table
from client_credits.cli.session import CliSession, PracticeId, an_id

if TYPE_CHECKING:
    from client_credits.samples.stories import Own
    from client_credits.samples.storyteller import Step

WAIT_SECONDS = 10.0  # for what a step changes to be seen
LOOK_SECONDS = 0.2
STORIES_PRACTICE = "stories"
STILL_SECONDS = 1.0  # a balance nobody expected is settled once it stood still so long


def story(
    session: CliSession,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The story; --list names them all.")] = None,
    api_version: Annotated[
        str | None, typer.Option(metavar="V", help="Stripe's API version of its events; the newest if left out.")
    ] = None,
    client: Annotated[
        str | None, typer.Option(metavar="ID", help="Whom it is about; a new client if left out.")
    ] = None,
    package: Annotated[
        list[str] | None,
        typer.Option(metavar="STORY-…=ID", help="A package of the practice's own in place of the story's."),
    ] = None,
    practice: PracticeId = None,
    wait: Annotated[
        float, typer.Option(min=0, max=WAIT_SECONDS, metavar="SECONDS", help="For each step to be seen, at most.")
    ] = WAIT_SECONDS,
    listing: Annotated[bool, typer.Option("--list", help="Name the stories and send nothing.")] = False,
) -> None:
    """Tell a story of payments, refunds or disputes by Stripe's signed events, and show each step's balances.

    Stories lie in the past and end now. On the local stack they play in a practice of their own, `stories`, unless
    --practice names one. They make the types and packages they need (their ids begin with story-).
    """
    from client_credits.samples import stories  # noqa: PLC0415
    from client_credits.samples.stories import NEWEST, StoryError  # noqa: PLC0415

    if listing:
        return _list(session)
    if name is None:
        raise typer.BadParameter("name one; --list names them all", param_hint="NAME")
    try:
        stories.named(name)  # before anything is made for it
        place = practice or _own_practice(session, package)
        played = _Played(session, name, api_version or NEWEST, client, place, package or [])
    except StoryError as error:
        raise CommandError(str(error)) from None
    seen = played.through(wait)
    session.output.answer(played.facts(seen), lambda: played.shown(seen))
    late = [number for number, each in enumerate(seen, 1) if not each.as_expected]
    if late:
        raise CommandError(f"Within {wait:g} s the balance was not what the story says: step {late[0]}.")
    return None


def _own_practice(session: CliSession, packages: list[str] | None) -> str | None:
    """The practice in which stories play, made where it is missing: no client's list shows their packages. None on a
    deployed stack, whose token says which practice, and where the story sells packages of the stack's own practice."""
    if packages or not session.target.is_local:
        return None
    from client_credits.cli.practice import make  # noqa: PLC0415

    make(session, STORIES_PRACTICE)
    return STORIES_PRACTICE


def _list(session: CliSession) -> None:
    from client_credits.samples.stories import STORIES  # noqa: PLC0415
    from client_credits.samples.stripe_account.checkout import VERSIONS  # noqa: PLC0415

    listed = [{"name": name, "says": each.says, "packages": list(each.offers)} for name, each in STORIES.items()]
    facts = {"stories": listed, "api_versions": list(VERSIONS)}
    rows = [(each["name"], each["says"], " ".join(each["packages"])) for each in listed]
    session.output.answer(facts, lambda: table(("story", "what happens", "packages"), rows))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the client had after a step, and whether that is what the story says."""

    step: "Step"
    balances: Mapping[str, int]
    as_expected: bool


class _Played:
    """One telling of a story to one practice."""

    def __init__(
        self,
        session: CliSession,
        name: str,
        api_version: str,
        client: str | None,
        practice: str | None,
        packages: list[str],
    ) -> None:
        from client_credits.cli.trigger import secret_of  # noqa: PLC0415
        from client_credits.samples import stories  # noqa: PLC0415

        self._session = session
        self._practice = practice
        self._name = name
        self._api_version = api_version
        self._story = stories.named(name)
        self._practice_id = session.practice_id(practice)
        prefix = uuid4().hex[:12]
        self._client_id = an_id(client) if client else f"story-{name}-{prefix}"
        wanted = _pairs(packages)
        # Nothing is written before the whole story can be played.
        stand_ins = {of: stories.Own("-", "-") for of in wanted}
        stories.steps_of(name, api_version, datetime.now(UTC), self._client_id, self._practice_id, prefix, stand_ins)
        self._secret = secret_of(session, self._practice_id)
        self._types: list[str] = []
        own = {of: self._own(package_id) for of, package_id in wanted.items()}
        self._expects = not own
        self._make(new_client=client is None, own=own)
        until = datetime.now(UTC)
        self._steps = stories.steps_of(name, api_version, until, self._client_id, self._practice_id, prefix, own)

    # -- what it needs -------------------------------------------------------------------------

    def _own(self, package_id: str) -> "Own":
        from client_credits.samples.stories import Own  # noqa: PLC0415

        package = self._call(f"/v1/packages/{quote(package_id, safe=':~')}")
        if not package["stripe_prices"]:
            raise CommandError(f"Package {package_id} has no Stripe price that it could be bought by.")
        self._types += package["credits"]
        return Own(package_id, package["stripe_prices"][0])

    def _make(self, new_client: bool, own: Mapping[str, "Own"]) -> None:
        """The story's types and packages, and its client. Safe to repeat."""
        from client_credits.samples.storyteller import OFFERS, TYPES  # noqa: PLC0415

        offers = [OFFERS[of] for of in self._story.offers if of not in own]
        types = list(dict.fromkeys(kind for offer in offers for kind in offer.credits))
        for kind in types:
            self._call(f"/v1/appointment-types/{kind}", {"name": TYPES[kind]})
        for offer in offers:
            self._call(f"/v1/packages/{offer.package_id}", offer.body)
        if new_client:
            self._call(f"/v1/clients/{self._client_id}", {})
        self._types = list(dict.fromkeys([*types, *self._types]))

    def _call(self, path: str, put: Mapping[str, Any] | None = None) -> Any:
        """Reads from the API; with something to `put`, writes as an admin."""
        from client_credits.cli.http_call import call  # noqa: PLC0415
        from client_credits.cli.tokens import TokenRole, bearer  # noqa: PLC0415

        headers = {"authorization": f"Bearer {bearer(self._session, self._practice, TokenRole.ADMIN)}"}
        url = f"{self._session.target.api_url}{path}"
        if put is None:
            return call(url, headers=headers)
        headers["content-type"] = "application/json"
        return call(url, method="PUT", body=json.dumps(put).encode(), headers=headers)

    # -- telling it ----------------------------------------------------------------------------

    def through(self, wait_seconds: float) -> list[_Seen]:
        """Tells every step and waits until it is seen."""
        before = self._balances()
        total = sum(len(step.events) + len(step.bookings) for step in self._steps)
        seen = []
        with self._session.output.progress("Telling", total) as advance:
            for step in self._steps:
                self._tell(step, advance)
                seen.append(self._seen(step, before, wait_seconds))
        return seen

    def _tell(self, step: "Step", advance: Callable[[int], None]) -> None:
        from client_credits.cli.trigger import deliver, put_on_bus, written  # noqa: PLC0415

        for event in step.events:
            deliver(self._session, self._practice_id, self._secret, written(event))
            advance(1)
        for entry in step.bookings:
            put_on_bus(self._session, entry)
            advance(1)

    def _seen(self, step: "Step", before: Mapping[str, int], wait_seconds: float) -> _Seen:
        deadline = time.monotonic() + wait_seconds
        expected = {kind: before[kind] + step.balances.get(kind, 0) for kind in self._types}
        found, since = self._balances(), time.monotonic()
        while time.monotonic() < deadline:
            still = time.monotonic() - since >= STILL_SECONDS
            if found == expected if self._expects else still:
                break
            time.sleep(LOOK_SECONDS)
            newer = self._balances()
            found, since = newer, since if newer == found else time.monotonic()
        return _Seen(step, found, found == expected or not self._expects)

    def _balances(self) -> dict[str, int]:
        body = self._call(f"/v1/clients/{quote(self._client_id, safe=':~')}/credits")
        if not body["enabled"]:
            raise CommandError("Credits are switched off for this client.")
        found = {each["appointment_type"]: int(each["balance"]) for each in body["credits"]}
        return {kind: found.get(kind, 0) for kind in self._types}

    # -- showing it ----------------------------------------------------------------------------

    def facts(self, seen: list[_Seen]) -> dict[str, Any]:
        steps = [
            {
                "says": each.step.says,
                "events": [{"event_id": event["id"], "type": event["type"]} for event in each.step.events],
                "bookings": [entry["detail"]["booking_id"] for entry in each.step.bookings],
                "balances": dict(each.balances),
                "as_expected": each.as_expected,
            }
            for each in seen
        ]
        named = {"story": self._name, "api_version": self._api_version}
        return named | {"practice_id": self._practice_id, "client_id": self._client_id, "steps": steps}

    def shown(self, seen: list[_Seen]) -> Any:
        columns = ("step", "events #", *(f"{kind} #" for kind in self._types))
        rows = [
            (
                each.step.says,
                len(each.step.events) + len(each.step.bookings),
                *(each.balances[kind] for kind in self._types),
            )
            for each in seen
        ]
        return table(columns, rows, f"{self._name}: {self._story.says}, for {self._client_id}")


def _pairs(packages: list[str]) -> dict[str, str]:
    """The practice's packages by the story's."""
    found = {}
    for each in packages:
        of, equals, own = each.partition("=")
        if not equals:
            raise typer.BadParameter("name the story's package and your own: story-…=ID", param_hint="--package")
        found[of] = an_id(own)
    return found
