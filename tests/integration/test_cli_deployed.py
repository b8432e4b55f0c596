"""`credits --stack`: a stack found by its CloudFormation outputs, by moto's own CloudFormation."""

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws
from tests.support.cli import credits
from tests.support.table import create_table

from client_credits.aws import secrets

OUTPUTS = {
    "ApiUrl": "https://abc.execute-api.eu-central-1.amazonaws.com",
    "TableName": "credits",
    "EventBusName": "bus",
    "SecretsPrefix": "/client-credits/shop",
    "PublishFailuresUrl": "unused",
}
WHERE = ("--stack", "shop", "--region", "eu-central-1")


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def shop(aws: None) -> None:
    deploy("shop", OUTPUTS)
    create_table(boto3.client("dynamodb", region_name="eu-central-1"), "credits")


def deploy(name: str, outputs: dict[str, str]) -> None:
    template = {
        "Resources": {"Nothing": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {key: {"Value": value} for key, value in outputs.items()},
    }
    cloudformation = boto3.client("cloudformation", region_name="eu-central-1")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))


def test_a_practice_is_created_on_the_stack_named(shop: None) -> None:
    stated = credits(*WHERE, "practice", "create", "p9", "--json").json
    assert stated["webhook_url"] == f"{OUTPUTS['ApiUrl']}/webhooks/stripe/p9"
    ssm = boto3.client("ssm", region_name="eu-central-1")
    name = secrets.parameter_name(OUTPUTS["SecretsPrefix"], "p9")
    value = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    assert json.loads(value)["current"] == stated["secret"]


def test_the_stack_may_be_named_behind_the_command(shop: None) -> None:
    assert credits("practice", "create", "p9", *WHERE).code == 0
    assert credits("verify", "--practice", "p9", *WHERE).code == 0


def test_a_deployed_stack_has_no_practice_of_its_own(shop: None) -> None:
    for words in (("verify",), ("trigger", "stripe", "checkout-completed"), ("trigger", "booking", "created")):
        ran = credits(*words, *WHERE)
        assert (ran.code, ran.out) == (2, "")
        assert "--practice" in ran.err


def test_the_clock_of_a_deployed_stack_cannot_be_set(shop: None) -> None:
    ran = credits("sweep", "--at", "2026-12-01T09:00:00Z", *WHERE)
    assert (ran.code, ran.out) == (1, "")
    assert "local stack" in ran.err
    assert credits("sweep", *WHERE).code == 0


def test_tokens_are_not_minted_for_a_deployed_stack(shop: None) -> None:
    ran = credits("token", "--role", "staff", *WHERE)
    assert (ran.code, ran.out) == (1, "")
    assert "CREDITS_TOKEN" in ran.err


def test_a_stack_that_does_not_exist_is_one_sentence(aws: None) -> None:
    ran = credits(*WHERE, "sweep")
    assert (ran.code, ran.out) == (1, "")
    assert "There is no stack shop in eu-central-1" in ran.err


def test_a_stack_of_something_else_is_one_sentence(aws: None) -> None:
    deploy("shop", {"Other": "x"})
    ran = credits(*WHERE, "sweep")
    assert (ran.code, ran.out) == (1, "")
    assert "is none of Client Credits" in ran.err
