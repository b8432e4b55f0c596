"""What the terminal shows once the local stack is ready."""

from client_credits.local.stack import Stack


def welcome(stack: Stack) -> str:
    """Addresses, tokens and three lines to try."""
    tokens = "\n".join(f"  {role:<8} {token}" for role, token in stack.tokens.items())
    client = f"{stack.api_url}/v1/clients/{stack.client_id}"
    return f"""
Client Credits runs on this machine. Ctrl-C stops all of it.

API             {stack.api_url}
Stripe webhook  {stack.stripe_webhook_url}
AWS endpoint    {stack.aws_endpoint_url} ({stack.region}; any credentials)
Practice        {stack.practice_id}, client {stack.client_id}
Details         {stack.directory / "stack.json"}

Tokens
{tokens}

Try
  TOKEN=$(.venv/bin/credits token --role staff)
  curl {stack.api_url}/healthz
  curl -H "Authorization: Bearer $TOKEN" {client}/credits
  curl -H "Authorization: Bearer $TOKEN" '{stack.api_url}/v1/eligibility?client_id={stack.client_id}'
"""
