"""`credits trigger`: sample events made fresh and sent as Stripe and as a booking system send them."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from client_credits.cli.errors import CommandError
from client_credits.cli.session import CliSession, PracticeId, an_id

USER_AGENT = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="CASE [KEY=VALUE]…", help="The case and what to change in it; dotted paths reach anything."),
]
File = Annotated[
    Path | None, typer.Option("--file", metavar="F", help="An event of your own in place of the case's sample.")
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for what comes of it.")]
Listing = Annotated[bool, typer.Option("--list", help="Name the cases and send nothing.")]


def stripe(
    session: CliSession,
    words: Words = None,
    file: File = None,
    practice: PracticeId = None,
    api_version: Annotated[
        str | None, typer.Option(metavar="V", help="Stripe's API version of the sample; the newest if left out.")
    ] = None,
    times: Annotated[int, typer.Option(min=1, max=1000, help="Deliver the same event so many times.")] = 1,
    no_wait: NoWait = False,
    listing: Listing = False,
) -> None:
    """Sign a Stripe event with the practice's secret, post it to the practice's webhook, and say what came of it."""
    from client_credits.samples import events as samples  # noqa: PLC0415

    if listing:
        facts = {"cases": samples.stripe_cases(), "api_versions": samples.stripe_versions()}
        return session.output.plain(facts, "\n".join(facts["cases"]))
    from client_credits.cli.awaiting import came_of_stripe  # noqa: PLC0415 only where it is sent

    case, changes = _parsed(words, file)
    if api_version is not None:
        changes["api_version"] = api_version
    body = _stripe_body(case, file, changes)
    practice_id = session.practice_id(practice)
    secret = secret_of(session, practice_id)
    with session.output.progress("Delivering", times) as advance:
        for _ in range(times):
            deliver(session, practice_id, secret, body)
            advance(1)
    summary = _about(body) | {"practice_id": practice_id, "times": times}
    repeated = "" if times == 1 else f", {times} times"
    what = f"{summary['type']} {summary['event_id']} about {summary['object_id']}"
    text = f"{what} accepted for practice {practice_id}{repeated}."
    if not no_wait:
        came = came_of_stripe(session, practice_id, json.loads(body))
        summary, text = summary | {"outcome": came.outcome}, f"{text}\n{came.text}"
    return session.output.plain(summary, text)


def booking(
    session: CliSession,
    words: Words = None,
    file: File = None,
    practice: PracticeId = None,
    no_wait: NoWait = False,
    listing: Listing = False,
) -> None:
    """Put a booking event onto the stack's bus, and say what came of it."""
    from client_credits.samples import events as samples  # noqa: PLC0415

    if listing:
        cases = samples.booking_cases()
        return session.output.plain({"cases": cases}, "\n".join(cases))
    from client_credits.cli.awaiting import came_of_booking  # noqa: PLC0415 only where it is sent

    case, changes = _parsed(words, file)
    entry = _booking_entry(session, case, file, changes, practice)
    event_id = put_on_bus(session, entry)
    detail = entry["detail"] if isinstance(entry["detail"], dict) else {}
    summary = {
        "event_id": event_id,
        "detail_type": entry["detail-type"],
        "practice_id": detail.get("practice_id"),
        "booking_id": detail.get("booking_id"),
    }
    text = f"{summary['detail_type']} of {summary['booking_id']} is on the bus for practice {summary['practice_id']}."
    if not no_wait:
        came = came_of_booking(session, entry)
        summary, text = summary | {"outcome": came.outcome}, f"{text}\n{came.text}"
    return session.output.plain(summary, text)


def _parsed(words: Sequence[str] | None, file: Path | None) -> tuple[str | None, dict[str, str]]:
    """The case, where one is named, and the changes by key. Without a file a case there must be."""
    cases = [word for word in words or [] if "=" not in word]
    changes = [word.partition("=") for word in words or [] if "=" in word]
    if len(cases) > 1:
        raise typer.BadParameter(f"one case at a time, not {', '.join(cases)}", param_hint="CASE")
    if not cases and file is None:
        raise typer.BadParameter("name one; --list names them all", param_hint="CASE")
    return (cases[0] if cases else None), {key: value for key, _, value in changes}


def _stripe_body(case: str | None, file: Path | None, changes: dict[str, str]) -> bytes:
    """What is posted: a file without changes byte by byte, so that anything at all can be sent."""
    from client_credits.samples import events as samples  # noqa: PLC0415
    from client_credits.samples.places import SampleError  # noqa: PLC0415

    try:
        if file is None:
            return written(samples.stripe_event(case or "", changes))
        raw = _read(file)
        return written(samples.changed(_json(file, raw), changes)) if changes else raw
    except SampleError as error:
        raise CommandError(str(error)) from None


def written(event: dict[str, Any]) -> bytes:
    """A body the way Stripe writes it."""
    return json.dumps(event, indent=2, ensure_ascii=False).encode()


def _booking_entry(
    session: CliSession, case: str | None, file: Path | None, changes: dict[str, str], practice: str | None
) -> dict[str, Any]:
    """An entry {source, detail-type, detail}, for the practice named there, by --practice, or by the stack."""
    from client_credits.samples import events as samples  # noqa: PLC0415
    from client_credits.samples.places import SampleError  # noqa: PLC0415

    if practice is not None:
        key = "practice_id" if file is None else "detail.practice_id"
        changes = {key: an_id(practice)} | changes
    try:
        if file is not None:
            return _entry(file, samples.changed(_json(file, _read(file)), changes))
        if "practice_id" not in changes:
            changes = {"practice_id": session.practice_id(None)} | changes
        return samples.booking_event(case or "", changes)
    except SampleError as error:
        raise CommandError(str(error)) from None


def _entry(file: Path, event: dict[str, Any]) -> dict[str, Any]:
    if not {"source", "detail-type", "detail"} <= event.keys():
        raise CommandError(f"{file} is no event for the bus: it needs source, detail-type and detail.")
    if not str(event["source"]).startswith("booking."):
        raise CommandError(f"{file}: the source of a booking event begins with booking. or nobody would get it.")
    return event


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from None


def _json(file: Path, raw: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(raw)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise CommandError(f"{file} holds no JSON object.")
    return parsed


def _about(body: bytes) -> dict[str, Any]:
    event = json.loads(body)  # it was accepted, so it is an event object
    about = event.get("data", {}).get("object", {}) if isinstance(event.get("data"), dict) else {}
    object_id = about.get("id") if isinstance(about, dict) else None
    return {"event_id": event.get("id"), "type": event.get("type"), "object_id": object_id}


def secret_of(session: CliSession, practice_id: str) -> str:
    """The secret that Stripe signs this practice's events with. Raises CommandError where there is none."""
    from client_credits.aws.secrets import parameter_name, parameter_reader  # noqa: PLC0415

    target = session.target
    stored = parameter_reader(target.client("ssm"))(parameter_name(target.secrets_prefix, practice_id))
    if stored is None:
        raise CommandError(
            f"Practice {practice_id} has no Stripe secret: `credits practice create {practice_id}` makes it."
        )
    return str(json.loads(stored)["current"])


def deliver(session: CliSession, practice_id: str, secret: str, body: bytes) -> None:
    """Posts an event to the practice's webhook, signed now. Raises CommandError where it is not taken."""
    from client_credits.cli.http_call import call  # noqa: PLC0415
    from client_credits.stripe.signature import sign  # noqa: PLC0415

    headers = {
        "content-type": "application/json; charset=utf-8",
        "user-agent": USER_AGENT,
        "stripe-signature": sign(body, secret, int(time.time())),
    }
    call(session.target.webhook_url(practice_id), method="POST", body=body, headers=headers)


def put_on_bus(session: CliSession, entry: dict[str, Any]) -> str:
    """The event's id on the bus. Raises CommandError when the bus did not take it."""
    target = session.target
    request = {
        "Source": entry["source"],
        "DetailType": entry["detail-type"],
        "Detail": json.dumps(entry["detail"]),
        "EventBusName": target.event_bus_name,
    }
    answer = target.client("events").put_events(Entries=[request])
    (result,) = answer["Entries"]
    if answer.get("FailedEntryCount"):
        raise CommandError(f"The bus refused the event: {result.get('ErrorCode')}: {result.get('ErrorMessage')}")
    return str(result["EventId"])
