"""`credits types` and `credits packages`: what a practice offers, and what it sells."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_credits.cli.api import DryRun, PracticeApi, Wide, path_id
from client_credits.cli.clients import Limit, answer_listed, stored_now
from client_credits.cli.output import table
from client_credits.cli.session import CliSession, PracticeId, an_id
from client_credits.cli.tokens import TokenRole
from client_credits.domain.currencies import is_currency, minor_units, money

if TYPE_CHECKING:
    from rich.console import RenderableType

MANY = 10_000
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

TypeId = Annotated[str, typer.Argument(metavar="TYPE", help="The appointment type's id.")]
PackageId = Annotated[str, typer.Argument(metavar="PACKAGE", help="The package's id.")]
Archived = Annotated[bool | None, typer.Option("--archived/--not-archived", help="Out of the catalogue; credits stay.")]


def list_types(session: CliSession, wide: Wide = False, practice: PracticeId = None) -> None:
    """List the appointment types."""
    found, _ = PracticeApi(session, practice).pages("/v1/appointment-types", MANY)
    session.output.answer({"items": found}, lambda: _types(found, wide))


def put_type(
    session: CliSession,
    appointment_type: TypeId,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    free: Annotated[
        bool | None, typer.Option("--free/--not-free", help="Whether it may be booked without credits.")
    ] = None,
    archived: Archived = None,
    dry_run: DryRun = False,
    practice: PracticeId = None,
) -> None:
    """Create an appointment type, or change what is named."""
    api = PracticeApi(session, practice, TokenRole.ADMIN)
    path = f"/v1/appointment-types/{path_id(appointment_type)}"
    body = {"name": appointment_type} | stored_now(api, path)
    given = {"name": name, "bookable_without_credits": free, "archived": archived}
    stored = api.put(path, body | {key: value for key, value in given.items() if value is not None}, dry_run)
    session.output.answer(stored, lambda: _types([stored], wide=True))


def list_packages(session: CliSession, wide: Wide = False, practice: PracticeId = None) -> None:
    """List the packages with what they grant, how that ends and what they cost."""
    api = PracticeApi(session, practice)
    found, _ = api.pages("/v1/packages", MANY)
    session.output.answer({"items": found}, lambda: _packages(api, found, wide))


def show_package(session: CliSession, package: PackageId, practice: PracticeId = None) -> None:
    """Show all of one package."""
    api = PracticeApi(session, practice)
    found = api.get(f"/v1/packages/{path_id(api.known('packages', an_id(package)))}")
    session.output.answer(found, lambda: _package(found))


def clients_of(
    session: CliSession,
    package: PackageId,
    limit: Limit = 50,
    wide: Wide = False,
    practice: PracticeId = None,
) -> None:
    """List the clients who have credits of a package left."""
    api = PracticeApi(session, practice)
    path = f"/v1/packages/{path_id(api.known('packages', an_id(package)))}/clients"
    found, more = api.pages(path, limit)
    answer_listed(session, api, found, more, wide)


def put_package(
    session: CliSession,
    package: PackageId,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    credits: Annotated[
        list[str] | None,
        typer.Option("--credits", metavar="TYPE=N", help="What it grants; once for each type."),
    ] = None,
    stripe_price: Annotated[
        list[str] | None,
        typer.Option("--stripe-price", metavar="price_…", help="What sells it; once for each price."),
    ] = None,
    renews: Annotated[
        bool | None, typer.Option("--renews/--once", help="Whether each paid cycle grants again, or only the first.")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="RULE", help="never, 30 days, 6 months, cycle_end, or a day like 2027-12-31."),
    ] = None,
    rollover_cap: Annotated[
        str | None, typer.Option(metavar="N|all", help="How many go on for one more cycle; with cycle_end.")
    ] = None,
    price: Annotated[str | None, typer.Option(metavar="'120.00 eur'", help="What it costs once.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How often one client may buy it.")] = None,
    url: Annotated[str | None, typer.Option(help="Where clients buy it: an https link.")] = None,
    description: Annotated[str | None, typer.Option(help="What clients read about it.")] = None,
    archived: Archived = None,
    dry_run: DryRun = False,
    practice: PracticeId = None,
) -> None:
    """Create a package, or change what is named; lots already granted stay as they are."""
    api = PracticeApi(session, practice, TokenRole.ADMIN)
    path = f"/v1/packages/{path_id(package)}"
    body = {"name": package} | stored_now(api, path)
    given: dict[str, Any] = {
        "name": name,
        "credits": dict(_credits(api, each) for each in credits) if credits else None,
        "stripe_prices": stripe_price or None,
        "renews_each_cycle": renews,
        "expiry": _expiry(expires) if expires else None,
        "price": _price(price) if price else None,
        "limit_per_client": limit,
        "url": url,
        "description": description,
        "archived": archived,
    }
    body |= {key: value for key, value in given.items() if value is not None}
    if rollover_cap is not None:
        body["rollover_cap"] = None if rollover_cap == "all" else _number(rollover_cap, "--rollover-cap")
    stored = api.put(path, body, dry_run)
    session.output.answer(stored, lambda: _package(stored))


def _credits(api: PracticeApi, text: str) -> tuple[str, int]:
    kind, _, number = text.partition("=")
    if not kind or not number:
        raise typer.BadParameter(f"{text!r} is not like follow-up=3", param_hint="--credits")
    return api.known("appointment-types", an_id(kind)), _number(number, "--credits")


def _number(text: str, option: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is no whole number", param_hint=option)
    return int(text)


def _expiry(text: str) -> dict[str, Any]:
    number, _, unit = text.partition(" ")
    if unit in ("days", "months"):
        return {"kind": unit, "n": _number(number, "--expires")}
    if text in ("never", "cycle_end"):
        return {"kind": text}
    if _DAY.match(text):
        return {"kind": "date", "date": text}
    raise typer.BadParameter(
        f"{text!r} is none of never, 30 days, 6 months, cycle_end, 2027-12-31", param_hint="--expires"
    )


def _price(text: str) -> dict[str, Any]:
    amount, _, code = text.partition(" ")
    currency = code.lower()
    try:
        minor = minor_units(amount, currency)
    except ValueError:
        minor = None
    if minor is None or not is_currency(currency):
        raise typer.BadParameter(f"{text!r} is not like '120.00 eur'", param_hint="--price")
    return {"amount": minor, "currency": currency}


def _types(found: list[dict[str, Any]], wide: bool) -> "RenderableType":
    rows = [
        (
            *([each["id"]] if wide else []),
            each["name"],
            "yes" if each["bookable_without_credits"] else "no",
            "yes" if each["archived"] else None,
        )
        for each in found
    ]
    return table([*(["id"] if wide else []), "appointment type", "without credits", "archived"], rows)


def _packages(api: PracticeApi, found: list[dict[str, Any]], wide: bool) -> "RenderableType":
    names = api.names("appointment-types")
    rows = [
        (
            *([each["id"]] if wide else []),
            each["name"],
            ", ".join(f"{n} × {names.get(kind, kind)}" for kind, n in each["credits"].items()) or "no credits",  # noqa: RUF001
            "each cycle" if each["renews_each_cycle"] else "once",
            _ends(each["expiry"]),
            _money(each["price"]),
            "yes" if each["archived"] else None,
        )
        for each in found
    ]
    columns = ("package", "grants", "when", "they end", "price", "archived")
    return table([*(["id"] if wide else []), *columns], rows)


def _package(found: dict[str, Any]) -> "RenderableType":
    cap = found["rollover_cap"]
    rows = [
        ("id", found["id"]),
        ("name", found["name"]),
        ("description", found["description"]),
        ("grants", "\n".join(f"{kind}: {n}" for kind, n in found["credits"].items()) or "no credits"),
        ("when", "each paid cycle" if found["renews_each_cycle"] else "once"),
        ("they end", _ends(found["expiry"])),
        ("go on for a cycle", "all" if cap is None else cap or None),
        ("price", _money(found["price"])),
        ("per client", found["limit_per_client"]),
        ("Stripe prices", "\n".join(found["stripe_prices"]) or None),
        ("link", found["url"]),
        ("archived", "yes" if found["archived"] else "no"),
    ]
    return table(("package", ""), rows)


def _ends(expiry: dict[str, Any]) -> str:
    match expiry["kind"]:
        case "days" | "months":
            return f"after {expiry['n']} {expiry['kind']}"
        case "date":
            return f"on {expiry['date']}"
        case "cycle_end":
            return "with the cycle"
        case kind:
            return str(kind)


def _money(price: dict[str, Any] | None) -> str | None:
    return money(price["amount"], price["currency"]) if price else None
