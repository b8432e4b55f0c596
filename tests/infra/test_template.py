"""What the template gives and, above all, what it does not give."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from client_credits.aws import config
from client_credits.local.stack import local_parameters
from client_credits.local.tokens import TokenIssuer
from tests.infra.transformed import MONITORING, ROOT, TEMPLATE, monitoring, resources, transformed

TABLE = "Table.Arn"
DUE, ROSTER = "${Table.Arn}/index/due", "${Table.Arn}/index/roster"
SECRETS = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/client-credits/${AWS::StackName}"
ITEMS = {f"dynamodb:{name}" for name in ("GetItem", "BatchGetItem", "PutItem", "UpdateItem", "ConditionCheckItem")}
CONSUME = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
TRACE = {"*": {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}}


def logs(group: str) -> dict[str, set[str]]:
    return {f"{group}.Arn": {"logs:CreateLogStream", "logs:PutLogEvents"}}


# Every role and everything it may do, by resource. A change here is a change of what a function can reach.
ALLOWED: dict[str, dict[str, set[str]]] = {
    "ApiRole": {
        TABLE: ITEMS | {"dynamodb:Query"},
        DUE: {"dynamodb:Query"},
        ROSTER: {"dynamodb:Query"},
        f"{SECRETS}/cursor-key": {"ssm:GetParameter"},
    }
    | logs("ApiLogs")
    | TRACE,
    "StripeWebhookRole": {
        "StripeQueue.Arn": {"sqs:SendMessage"},
        f"{SECRETS}/stripe/*": {"ssm:GetParameter"},
    }
    | logs("StripeWebhookLogs")
    | TRACE,
    "StripeEventsRole": {
        TABLE: ITEMS | {"dynamodb:Query"},
        "StripeQueue.Arn": CONSUME,
        f"{SECRETS}/stripe-api-key/*": {"ssm:GetParameter"},
    }
    | logs("StripeEventsLogs")
    | TRACE,
    "BookingsRole": {
        TABLE: ITEMS,
        "BookingsQueue.Arn": CONSUME,
        "BookingsDeadLetters.Arn": {"sqs:SendMessage"},
    }
    | logs("BookingsLogs")
    | TRACE,
    "SweepRole": {
        TABLE: ITEMS | {"dynamodb:Query"},
        DUE: {"dynamodb:Query"},
        "SweepQueue.Arn": CONSUME | {"sqs:SendMessage"},
    }
    | logs("SweepLogs")
    | TRACE,
    "ReconcileRole": {
        TABLE: ITEMS | {"dynamodb:Query"},
        f"{SECRETS}/stripe-api-key": {"ssm:GetParametersByPath"},
        f"{SECRETS}/stripe-api-key/*": {"ssm:GetParameter"},
    }
    | logs("ReconcileLogs")
    | TRACE,
    "PublishEntriesRole": {
        "${Table.Arn}/stream/*": {
            f"dynamodb:{name}" for name in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
        },
        "EventBus.Arn": {"events:PutEvents"},
        "PublishFailures.Arn": {"sqs:SendMessage"},
    }
    | logs("PublishEntriesLogs")
    | TRACE,
    "SweepTimerRole": {"SweepFunctionAliaslive": {"lambda:InvokeFunction"}},
    "ReconcileTimerRole": {"ReconcileFunctionAliaslive": {"lambda:InvokeFunction"}},
}

# What each function reads, besides what Powertools reads; the values are names and addresses, never a secret.
NEEDS: dict[str, type] = {
    "ApiFunction": config.ApiConfig,
    "StripeWebhookFunction": config.StripeWebhookConfig,
    "StripeEventsFunction": config.StripeEventsConfig,
    "BookingsFunction": config.BookingsConfig,
    "SweepFunction": config.SweepConfig,
    "ReconcileFunction": config.ReconcileConfig,
    "PublishEntriesFunction": config.PublishConfig,
}
COMMON = {"POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL", "POWERTOOLS_SERVICE_NAME"}

ROUTES = {
    "GET /v1/{proxy+}": "ApiIntegration",
    "POST /v1/{proxy+}": "ApiIntegration",
    "PUT /v1/{proxy+}": "ApiIntegration",
    "PATCH /v1/{proxy+}": "ApiIntegration",
    "DELETE /v1/{proxy+}": "ApiIntegration",
    "GET /healthz": "ApiIntegration",
    "POST /webhooks/stripe/{practice_id}": "StripeWebhookIntegration",
}

# Queues that hold what was given up on, and so have no further queue behind them.
LAST_QUEUES = {"StripeDeadLetters", "BookingsDeadLetters", "SweepDeadLetters", "PublishFailures"}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def resource_name(value: Any) -> str:
    """A statement's resource, as the tables above write it."""
    match value:
        case str():
            return value
        case {"Fn::GetAtt": [name, attribute]}:
            return f"{name}.{attribute}"
        case {"Fn::Sub": str() as text}:
            return text
        case {"Ref": name}:
            return str(name)
        case _:
            raise AssertionError(value)


def allowed(role: dict[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            for resource in as_list(statement["Resource"]):
                found.setdefault(resource_name(resource), set()).update(as_list(statement["Action"]))
    return found


def test_each_role_may_do_what_the_table_says_and_nothing_else() -> None:
    roles = resources("AWS::IAM::Role")
    assert {name: allowed(role) for name, role in roles.items()} == ALLOWED
    assert not [name for name, role in roles.items() if "ManagedPolicyArns" in role]
    assert not resources("AWS::IAM::Policy")


def test_nobody_may_delete_from_the_table_write_it_in_batches_or_scan_it() -> None:
    actions = {action for role in ALLOWED.values() for granted in role.values() for action in granted}
    forbidden = {"dynamodb:DeleteItem", "dynamodb:BatchWriteItem", "dynamodb:Scan"}
    assert not actions & forbidden
    assert not [action for action in actions if "*" in action]


def test_only_tracing_reaches_every_resource() -> None:
    everywhere = {action for role in ALLOWED.values() for action in role.get("*", set())}
    assert everywhere == TRACE["*"]


def test_each_role_is_assumed_by_one_service() -> None:
    for name, role in resources("AWS::IAM::Role").items():
        statements = role["AssumeRolePolicyDocument"]["Statement"]
        service = "scheduler" if name.endswith("TimerRole") else "lambda"
        assert [statement["Principal"] for statement in statements] == [{"Service": f"{service}.amazonaws.com"}]


def test_the_routes_are_the_known_ones_each_with_its_method() -> None:
    found = {
        route["RouteKey"]: re.findall(r"\$\{(\w+)\}", route["Target"]["Fn::Sub"])[0]
        for route in resources("AWS::ApiGatewayV2::Route").values()
    }
    assert found == ROUTES
    assert not [key for key in found if key.startswith("ANY") or key == "$default"]


def test_the_api_calls_the_published_alias_and_may_do_so() -> None:
    uris = [each["IntegrationUri"] for each in resources("AWS::ApiGatewayV2::Integration").values()]
    permitted = [
        each["FunctionName"]
        for each in resources("AWS::Lambda::Permission").values()
        if each["Principal"] == "apigateway.amazonaws.com"
    ]
    assert uris == permitted == [{"Ref": "ApiFunctionAliaslive"}, {"Ref": "StripeWebhookFunctionAliaslive"}]


def test_the_stage_is_throttled_and_logs_no_path() -> None:
    (stage,) = resources("AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"]
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"]
    assert set(stage["RouteSettings"]) <= set(ROUTES)
    line = json.loads(stage["AccessLogSettings"]["Format"])
    assert line["route"] == "$context.routeKey"
    assert not [each for each in line.values() if "path" in each or "sourceIp" in each or "authorizer" in each]


def test_every_queue_is_encrypted_and_redrives_or_is_the_last() -> None:
    queues = resources("AWS::SQS::Queue")
    assert all(queue["SqsManagedSseEnabled"] is True for queue in queues.values())
    assert {name for name, queue in queues.items() if "RedrivePolicy" not in queue} == LAST_QUEUES
    for queue in queues.values():
        if "RedrivePolicy" in queue:
            assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5
            assert queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] in LAST_QUEUES


def test_a_queue_waits_six_times_its_function_s_timeout_before_it_delivers_again() -> None:
    functions, queues = resources("AWS::Lambda::Function"), resources("AWS::SQS::Queue")
    fed = 0
    for mapping in resources("AWS::Lambda::EventSourceMapping").values():
        source = mapping["EventSourceArn"]["Fn::GetAtt"][0]
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        if source in queues:
            function = mapping["FunctionName"]["Ref"].removesuffix("Aliaslive")
            assert queues[source]["VisibilityTimeout"] >= 6 * functions[function]["Timeout"]
            fed += 1
    assert fed == 3


def test_the_stream_is_read_from_its_start_bisected_and_has_somewhere_to_report_failures() -> None:
    (mapping,) = (each for each in resources("AWS::Lambda::EventSourceMapping").values() if "StartingPosition" in each)
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["PublishFailures", "Arn"]}


def test_booking_events_of_every_system_reach_the_queue_and_failed_deliveries_its_dead_letters() -> None:
    rule = resources("AWS::Events::Rule")["BookingsRule"]
    assert rule["EventPattern"] == {"source": [{"prefix": "booking."}]}
    assert_delivers("Bookings")


def test_stripe_s_events_over_a_bus_come_from_one_source_of_this_account_and_only_where_one_is_named() -> None:
    rules, policies = resources("AWS::Events::Rule"), resources("AWS::SQS::QueuePolicy")
    assert set(rules) == {"BookingsRule", "StripeRule"}
    assert set(policies) == {"BookingsQueuePolicy", "StripeQueuePolicy"}
    whole = transformed()
    assert {whole["Resources"][name]["Condition"] for name in ("StripeRule", "StripeQueuePolicy")} == {
        "HasStripeEventSource"
    }
    assert whole["Conditions"]["HasStripeEventSource"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "StripeEventSource"}, ""]}]
    }
    names = ("StripeEventSource", "StripeEventBusName", "StripePartnerPractice")
    assert [whole["Parameters"][name]["Default"] for name in names] == ["", "", ""]
    rule = rules["StripeRule"]
    assert rule["EventPattern"] == {"source": [{"Ref": "StripeEventSource"}], "account": [{"Ref": "AWS::AccountId"}]}
    assert rule["EventBusName"] == {
        "Fn::If": ["HasStripeEventBusName", {"Ref": "StripeEventBusName"}, {"Ref": "StripeEventSource"}]
    }
    assert_delivers("Stripe")


def assert_delivers(name: str) -> None:
    """The rule, and nothing else of EventBridge, fills the queue of this name and its dead letters."""
    (target,) = resources("AWS::Events::Rule")[f"{name}Rule"]["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [f"{name}Queue", "Arn"]}
    assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": [f"{name}DeadLetters", "Arn"]}
    assert not {"Input", "InputPath", "InputTransformer"} & set(target)
    (statement,) = resources("AWS::SQS::QueuePolicy")[f"{name}QueuePolicy"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [f"{name}Rule", "Arn"]}}}


def test_the_table_is_kept_encrypted_and_can_be_restored() -> None:
    resource = transformed()["Resources"]["Table"]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")
    table = resource["Properties"]
    assert "TableName" not in table, "a kept table must not be in the way of the stack's next life"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["DeletionProtectionEnabled"] == {"Ref": "TableDeletionProtection"}
    assert transformed()["Parameters"]["TableDeletionProtection"]["Default"] == "true"
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert "LocalSecondaryIndexes" not in table
    assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == {"due", "roster"}


def test_every_function_is_traced_aliased_and_logs_into_a_group_that_forgets() -> None:
    functions, groups = resources("AWS::Lambda::Function"), resources("AWS::Logs::LogGroup")
    aliases = {each["FunctionName"]["Ref"] for each in resources("AWS::Lambda::Alias").values()}
    assert set(functions) == aliases == set(NEEDS)
    for function in functions.values():
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert function["Layers"] and function["Runtime"] == "python3.13"
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())


def test_a_function_is_told_what_it_reads_and_nothing_else() -> None:
    for name, function in resources("AWS::Lambda::Function").items():
        read = {setting.name for setting in NEEDS[name].settings().values()}
        assert set(function["Environment"]["Variables"]) == read | COMMON, name


def test_no_secret_stands_in_the_template_or_passes_through_it() -> None:
    assert not [name for name, each in transformed()["Parameters"].items() if each.get("NoEcho")]
    text = TEMPLATE.read_text() + MONITORING.read_text()
    assert not re.search(r"whsec_|sk_(test|live)|AKIA|BEGIN [A-Z ]*PRIVATE KEY|SecretString|resolve:", text)


# Types whose name property says whose they are, not what they are called.
NOT_NAMED = {"Alias", "Version", "Permission", "EventSourceMapping", "EventInvokeConfig"}
NAMES = {"FunctionName", "LayerName", "LogGroupName", "Name", "AlarmName", "DashboardName", "QueueName", "TableName"}


@pytest.mark.parametrize(("template", "prefix"), [(transformed, "${AWS::StackName}"), (monitoring, "${Prefix}")])
def test_every_given_name_starts_with_the_stack_s_name(template: Callable[[], dict[str, Any]], prefix: str) -> None:
    given = [
        value.get("Fn::Sub") or f"${{{value['Ref']}}}"
        for resource in template()["Resources"].values()
        if resource["Type"].rsplit("::", 1)[1] not in NOT_NAMED
        for key, value in resource.get("Properties", {}).items()
        if key in NAMES
    ]
    assert len(given) > 10
    assert not [name for name in given if not re.match(rf"(/aws/(lambda|apigateway)/)?{re.escape(prefix)}", name)]


def test_no_one_is_named_across_stacks_by_an_export() -> None:
    assert not [name for name, output in transformed()["Outputs"].items() if "Export" in output]


def test_somebody_is_told_about_dead_letters_late_streams_and_errors() -> None:
    alarms = resources("AWS::CloudWatch::Alarm", monitoring())
    watched = {(each["MetricName"], json.dumps(each["Dimensions"])) for each in alarms.values()}
    for queue in LAST_QUEUES:
        assert (
            "ApproximateNumberOfMessagesVisible",
            json.dumps([{"Name": "QueueName", "Value": {"Ref": queue}}]),
        ) in watched
    names = [
        each["FunctionName"]["Fn::Sub"].replace("AWS::StackName", "Prefix")
        for each in resources("AWS::Lambda::Function").values()
    ]
    for metric in ("Errors", "Throttles"):
        for name in names:
            assert (metric, json.dumps([{"Name": "FunctionName", "Value": {"Fn::Sub": name}}])) in watched
    assert "IteratorAge" in {metric for metric, _ in watched}
    assert all("AlarmActions" in each and each["TreatMissingData"] != "missing" for each in alarms.values())


def test_the_nested_stack_is_given_every_parameter_it_has() -> None:
    (nested,) = resources("AWS::CloudFormation::Stack").values()
    assert set(nested["Parameters"]) == set(monitoring()["Parameters"])


def test_the_dashboard_is_json_once_its_names_are_filled_in() -> None:
    (dashboard,) = resources("AWS::CloudWatch::Dashboard", monitoring()).values()
    body = re.sub(r"\$\{[\w:]+\}", "x", dashboard["DashboardBody"]["Fn::Sub"])
    assert len(json.loads(body)["widgets"]) == 8


def test_what_differs_locally_is_listed_at_the_head_of_the_template() -> None:
    issuer = TokenIssuer(ROOT, "http://127.0.0.1/identity")
    parameters = local_parameters(issuer)
    assert set(parameters) <= set(transformed()["Parameters"])
    head = TEMPLATE.read_text().split("Parameters:")[0]
    assert all(f"#   {name} " in head for name in parameters)


def test_cfn_lint_has_nothing_to_say() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), str(TEMPLATE), str(MONITORING)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
