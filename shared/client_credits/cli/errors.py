"""What can go wrong at the command line, each with one sentence for whoever typed the command."""

import sys


class CommandError(Exception):
    """The command cannot be carried out; the message is fit to be shown as it is."""


class Broken(Exception):
    """The command did its work and what it found is not well: it ends with 1, and has said why already."""


RUN_IT = "start it with `make run`, or name a deployed one with --stack"


def sentence(error: Exception) -> str | None:
    """The sentence for an expected failure; None for a mistake of ours, which deserves its traceback."""
    from client_credits.aws.secrets import SecretsUnavailable  # noqa: PLC0415
    from client_credits.domain.errors import CreditsError, Invalid  # noqa: PLC0415 most commands end well

    if isinstance(error, CommandError):
        return str(error)
    if isinstance(error, Invalid):
        return " ".join([error.detail, *(f"{each.pointer}: {each.detail}." for each in error.errors)])
    if isinstance(error, CreditsError):
        return error.detail
    if isinstance(error, SecretsUnavailable):
        why = sentence(error.__cause__) if isinstance(error.__cause__, Exception) else None
        return why or f"The secrets cannot be used: {error}."
    # An error of botocore's cannot come from where botocore was never loaded.
    return _of_aws(error) if "botocore" in sys.modules else None


def _of_aws(error: Exception) -> str | None:
    from botocore import exceptions  # noqa: PLC0415 see above

    match error:
        case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError():
            return "There are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        case exceptions.NoRegionError():
            return "There is no AWS region: name it with --region."
        case exceptions.ConnectionError() | exceptions.HTTPClientError() as unreached:
            url = getattr(unreached, "kwargs", {}).get("endpoint_url", "AWS")
            return f"{url} does not answer: is the stack running, and is there a network?"
        case exceptions.ClientError() as refused:
            refusal = refused.response.get("Error", {})
            return f"AWS refused {refused.operation_name}: {refusal.get('Code')}: {refusal.get('Message')}"
        case exceptions.BotoCoreError():
            return f"AWS cannot be used: {error}"
    return None
