"""What the template gives and, above all, what it does not give."""

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from client_credits.aws import config, files, logs
from client_credits.domain.practice.jobs import KEPT
from client_credits.http.identity import ClaimNames
from client_credits.local.stack import cors_rules, local_parameters
from client_credits.local.tokens import TokenIssuer
from client_credits.operations.jobs import running
from tests.infra.transformed import ROOT, TEMPLATE, TEMPLATES, declared, nested, resources, templates, transformed

# What each function reads, besides what Powertools reads; the values are names and addresses, never a secret.
NEEDS: dict[str, type] = {
    "ApiFunction": config.ApiConfig,
    "StripeWebhookFunction": config.StripeWebhookConfig,
    "StripeEventsFunction": config.StripeEventsConfig,
    "BookingsFunction": config.BookingsConfig,
    "SweepFunction": config.SweepConfig,
    "JobsFunction": config.JobsConfig,
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

PROJECTED: dict[str, set[str] | str] = {
    "due": {"kind"},
    "roster": {
        *("balance", "debt", "granted_total", "held", "frozen", "next_expiry", "last_at", "value"),
        *("due_at", "kind", "name", "packages"),
    },
    "names": "ALL",
    "sessions": {"client_id", "owner", "appointment_type", "seats", "state", "series_id"},
}

# Queues that hold what was given up on, and so have no further queue behind them.
LAST_QUEUES = {"StripeDeadLetters", "BookingsDeadLetters", "SweepDeadLetters", "JobsDeadLetters", "PublishFailures"}


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
        (source, *_) = mapping["EventSourceArn"].get("Fn::GetAtt", ["the stream"])
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        if source in queues:
            function = mapping["FunctionName"]["Ref"].removesuffix("Aliaslive")
            assert queues[source]["VisibilityTimeout"] >= 6 * functions[function]["Timeout"]
            fed += 1
    assert fed == 4


def test_the_stream_is_read_from_its_start_bisected_and_has_somewhere_to_report_failures() -> None:
    (mapping,) = (each for each in resources("AWS::Lambda::EventSourceMapping").values() if "StartingPosition" in each)
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["PublishFailures", "Arn"]}


def test_the_bucket_of_files_is_encrypted_closed_and_empties_itself() -> None:
    (bucket,) = resources("AWS::S3::Bucket").values()
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert "VersioningConfiguration" not in bucket, "what was exported is to be gone after a week"
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert all(rule["Status"] == "Enabled" for rule in rules)
    ends = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert ends == {files.FINISHED: KEPT.days, files.UNFINISHED: KEPT.days}
    (parts,) = (each["AbortIncompleteMultipartUpload"] for each in rules if "AbortIncompleteMultipartUpload" in each)
    assert timedelta(days=parts["DaysAfterInitiation"]) > running.LONGEST_JOB


def test_nobody_reaches_the_files_over_a_connection_that_is_not_encrypted() -> None:
    (policy,) = resources("AWS::S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [{"Fn::GetAtt": ["Files", "Arn"]}, {"Fn::Sub": "${Files.Arn}/*"}]


def test_a_step_of_a_job_keeps_its_claim_for_longer_than_the_function_may_run() -> None:
    function = resources("AWS::Lambda::Function")["JobsFunction"]
    assert timedelta(seconds=function["Timeout"]) < running.STEP_LEASE


def test_booking_events_of_every_system_reach_the_queue_and_failed_deliveries_its_dead_letters() -> None:
    rule = resources("AWS::Events::Rule")["BookingsRule"]
    assert rule["EventPattern"] == {"source": [{"prefix": "booking."}]}
    assert_delivers("Bookings")


def test_stripe_s_events_over_a_bus_come_from_one_source_of_this_account_and_only_where_one_is_named() -> None:
    rules, policies = resources("AWS::Events::Rule"), resources("AWS::SQS::QueuePolicy")
    assert set(rules) == {"BookingsRule", "StripeRule"}
    assert set(policies) == {"BookingsQueuePolicy", "StripeQueuePolicy"}
    whole = nested()["Stripe"]
    assert {whole["Resources"][name]["Condition"] for name in ("StripeRule", "StripeQueuePolicy")} == {
        "HasStripeEventSource"
    }
    assert whole["Conditions"]["HasStripeEventSource"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "StripeEventSource"}, ""]}]
    }
    names = ("StripeEventSource", "StripeEventBusName", "StripePartnerPractice")
    assert [transformed()["Parameters"][name]["Default"] for name in names] == ["", "", ""]
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
    assert {index["IndexName"]: projected(index) for index in table["GlobalSecondaryIndexes"]} == PROJECTED
    known = {each["AttributeName"] for each in table["AttributeDefinitions"]}
    keys = [key["AttributeName"] for index in (table, *table["GlobalSecondaryIndexes"]) for key in index["KeySchema"]]
    assert sorted(known) == sorted(keys)


def projected(index: dict[str, Any]) -> set[str] | str:
    projection = index["Projection"]
    return set(projection["NonKeyAttributes"]) if "NonKeyAttributes" in projection else projection["ProjectionType"]


def test_the_stack_takes_an_existing_table_in_place_of_its_own() -> None:
    assert declared()["Table"]["Condition"] == "HasOwnTable"
    assert transformed()["Conditions"]["HasOwnTable"] == {"Fn::Equals": [{"Ref": "ExistingTableName"}, ""]}
    assert transformed()["Parameters"]["ExistingTableName"]["Default"] == ""
    name = {"Fn::If": ["HasOwnTable", {"Ref": "Table"}, {"Ref": "ExistingTableName"}]}
    stream = {"Fn::If": ["HasOwnTable", {"Fn::GetAtt": ["Table", "StreamArn"]}, {"Ref": "ExistingTableStreamArn"}]}
    given = [each["Parameters"] for each in resources("AWS::CloudFormation::Stack").values()]
    assert [each["TableName"] for each in given if "TableName" in each] == [name] * 7
    assert [each["TableStreamArn"] for each in given if "TableStreamArn" in each] == [stream]
    assert transformed()["Outputs"]["TableName"]["Value"] == name
    without_own = {key: each for key, each in transformed().items() if key not in ("Parameters", "Conditions")}
    text = json.dumps(without_own).replace(json.dumps(name), "").replace(json.dumps(stream), "")
    assert '{"Ref": "Table"}' not in text and '["Table", ' not in text


# A nested stack's parameter that is not the root's parameter of the same name.
PASSED: dict[str, Any] = {
    "Prefix": {"Ref": "AWS::StackName"},
    "ApiId": {"Ref": "Api"},
    "EventBusName": {"Ref": "EventBus"},
    "EventBusArn": {"Fn::GetAtt": ["EventBus", "Arn"]},
    "CorsOrigins": {"Fn::Join": [",", {"Ref": "CorsOrigins"}]},
    "ClientPageUrl": {"Fn::If": ["HasClientPageUrl", {"Ref": "ClientPageUrl"}, {"Fn::Sub": "${Api.ApiEndpoint}/me"}]},
    "PublishFailures": {"Fn::GetAtt": ["Publishing", "Outputs.FailuresName"]},
    "JobsQueueUrl": {"Fn::GetAtt": ["Jobs", "Outputs.QueueUrl"]},
    "JobsQueueArn": {"Fn::GetAtt": ["Jobs", "Outputs.QueueArn"]},
    "FilesBucket": {"Fn::GetAtt": ["Jobs", "Outputs.FilesBucket"]},
    "PublishFailuresUrl": {"Fn::GetAtt": ["Publishing", "Outputs.FailuresUrl"]},
    "PublishFailuresArn": {"Fn::GetAtt": ["Publishing", "Outputs.FailuresArn"]},
} | {
    f"{name}{kind}": {"Fn::GetAtt": [name, f"Outputs.{output}"]}
    for name in ("Stripe", "Bookings", "Sweep", "Jobs")
    for kind, output in (
        ("Queue", "QueueName"),
        ("DeadLetters", "DeadLettersName"),
        ("DeadLettersUrl", "DeadLettersUrl"),
        ("DeadLettersArn", "DeadLettersArn"),
    )
}


@pytest.mark.parametrize("name", sorted(nested()))
def test_a_nested_stack_is_given_every_parameter_it_has_and_each_what_it_is_named_for(name: str) -> None:
    given = resources("AWS::CloudFormation::Stack")[name]["Parameters"]
    assert set(given) == set(nested()[name]["Parameters"])
    for parameter, value in given.items():
        match parameter:
            case "Table" | "TableName" | "TableStreamArn":
                pass  # the stack's own or an existing one, see above
            case "Schedule":
                assert value == {"Ref": f"{name}Schedule"}
            case "LayerArn":
                assert value["Ref"].startswith("SharedLayer")
            case _:
                assert value == PASSED.get(parameter, {"Ref": parameter}), parameter


def test_a_change_of_layer_or_settings_gives_every_function_another_version() -> None:
    versions = resources("AWS::Lambda::Version")
    assert len(versions) == len(NEEDS)
    for version in versions.values():
        assert version["Description"] == {"Fn::Sub": "Settings ${SettingsRevision}, layer ${LayerArn}"}
    for function in resources("AWS::Lambda::Function").values():
        assert function["Layers"] == [{"Ref": "LayerArn"}]
        assert "${SettingsRevision}" in function["Description"]["Fn::Sub"]


def test_the_stage_comes_after_the_stack_whose_route_its_settings_name() -> None:
    stage = declared()["ApiStage"]
    routes = {
        name: {r.get("Properties", {}).get("RouteKey") for r in each["Resources"].values()}
        for name, each in nested().items()
    }
    for route in stage["Properties"]["RouteSettings"]:
        (owner,) = (name for name, keys in routes.items() if route in keys)
        assert owner in stage["DependsOn"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_can_be_read_in_one_go(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 400


def test_every_template_below_infra_is_deployed() -> None:
    urls = re.findall(r"TemplateURL: (\S+)", TEMPLATE.read_text())
    assert sorted(ROOT / url for url in urls) == TEMPLATES[1:]


def test_every_function_is_traced_aliased_and_logs_into_a_group_that_forgets() -> None:
    functions, groups = resources("AWS::Lambda::Function"), resources("AWS::Logs::LogGroup")
    aliases = {each["FunctionName"]["Ref"] for each in resources("AWS::Lambda::Alias").values()}
    assert set(functions) == aliases == set(NEEDS)
    for function in functions.values():
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert function["Layers"] and function["Runtime"] == "python3.13"
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())


def test_a_function_gets_what_it_reads_and_nothing_else() -> None:
    for name, function in resources("AWS::Lambda::Function").items():
        read = {setting.name for setting in NEEDS[name].settings().values()}
        assert set(function["Environment"]["Variables"]) == read | COMMON, name


def test_no_secret_stands_in_the_template_or_passes_through_it() -> None:
    assert not [name for each in templates() for name, one in each["Parameters"].items() if one.get("NoEcho")]
    text = "".join(path.read_text() for path in TEMPLATES)
    assert not re.search(r"whsec_|sk_(test|live)|AKIA|BEGIN [A-Z ]*PRIVATE KEY|SecretString|resolve:", text)


# Types whose name property says whose they are, not what they are called.
NOT_NAMED = {"Alias", "Version", "Permission", "EventSourceMapping", "EventInvokeConfig"}
NAMES = {"FunctionName", "LayerName", "LogGroupName", "Name", "AlarmName", "DashboardName", "QueueName", "TableName"}


def test_every_given_name_starts_with_the_stack_s_name() -> None:
    given: list[str] = []
    for template, prefix in [(transformed(), "AWS::StackName"), *((each, "Prefix") for each in nested().values())]:
        for resource in template["Resources"].values():
            if resource["Type"].rsplit("::", 1)[1] not in NOT_NAMED:
                named = {key: value for key, value in resource.get("Properties", {}).items() if key in NAMES}
                texts = [value.get("Fn::Sub") or f"${{{value['Ref']}}}" for value in named.values()]
                wrong = [text for text in texts if not re.match(rf"(/aws/(lambda|apigateway)/)?\$\{{{prefix}\}}", text)]
                assert not wrong, wrong
                given += texts
    assert len(given) > 40


def test_no_one_is_named_across_stacks_by_an_export() -> None:
    assert not [name for each in templates() for name, output in each.get("Outputs", {}).items() if "Export" in output]


def test_somebody_learns_about_dead_letters_late_streams_and_errors() -> None:
    alarms = resources("AWS::CloudWatch::Alarm")
    watched = {(each["MetricName"], json.dumps(each["Dimensions"])) for each in alarms.values()}
    for queue in LAST_QUEUES:
        assert (
            "ApproximateNumberOfMessagesVisible",
            json.dumps([{"Name": "QueueName", "Value": {"Ref": queue}}]),
        ) in watched
    names = [each["FunctionName"]["Fn::Sub"] for each in resources("AWS::Lambda::Function").values()]
    for metric in ("Errors", "Throttles"):
        for name in names:
            assert (metric, json.dumps([{"Name": "FunctionName", "Value": {"Fn::Sub": name}}])) in watched
    assert "IteratorAge" in {metric for metric, _ in watched}
    assert all("AlarmActions" in each and each["TreatMissingData"] != "missing" for each in alarms.values())


def test_the_page_on_operations_says_of_every_alarm_what_it_means() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    functions = [each["FunctionName"]["Fn::Sub"] for each in resources("AWS::Lambda::Function").values()]
    names = {each["AlarmName"]["Fn::Sub"] for each in resources("AWS::CloudWatch::Alarm").values()}
    for what in ("errors", "throttles"):  # each function has both, said once
        assert f"`FUNCTION-{what}`" in page
        names -= {f"{name}-{what}" for name in functions}
    assert [name for name in sorted(names) if f"`{name.removeprefix('${Prefix}-')}`" not in page] == []


def widgets() -> dict[str, dict[str, Any]]:
    """What the dashboard shows, by title."""
    (dashboard,) = resources("AWS::CloudWatch::Dashboard").values()
    body = re.sub(r"\$\{[\w:]+\}", "x", dashboard["DashboardBody"]["Fn::Sub"])
    return {each["properties"]["title"]: each["properties"] for each in json.loads(body)["widgets"]}


def test_the_dashboard_is_json_once_its_names_are_filled_in() -> None:
    assert len(widgets()) == 9


def test_the_dashboard_finds_what_was_set_aside_as_functions_count_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environments = [each["Environment"]["Variables"] for each in resources("AWS::Lambda::Function").values()]
    ((namespace, service), *others) = {
        (each["POWERTOOLS_METRICS_NAMESPACE"], each["POWERTOOLS_SERVICE_NAME"]) for each in environments
    }
    assert {namespace} == {name for name, _ in others}, "the search looks at one namespace"
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", namespace)
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", service)
    logs.count("SetAside", reason="unreadable")
    (directive,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
    (dimensions,) = directive["Dimensions"]
    ((shown,),) = widgets()["Set aside, by function and reason"]["metrics"]
    schema = ",".join([directive["Namespace"], *sorted(dimensions)])
    named = directive["Metrics"][0]["Name"]
    assert shown["expression"] == f"SEARCH('{{{schema}}} MetricName=\"{named}\"', 'Sum', 300)"


def test_what_differs_locally_is_listed_at_the_head_of_the_template() -> None:
    issuer = TokenIssuer(ROOT, "http://127.0.0.1/identity")
    parameters = local_parameters(issuer, 4566)
    assert set(parameters) <= set(transformed()["Parameters"])
    head = TEMPLATE.read_text().split("Parameters:")[0]
    assert all(f"#   {name} " in head for name in parameters)


def test_cfn_lint_has_nothing_to_say() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), *map(str, TEMPLATES)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_local_api_has_the_cors_rules_of_the_template() -> None:
    (stated,) = (each["CorsConfiguration"]["Fn::If"][1] for each in resources("AWS::ApiGatewayV2::Api").values())
    assert cors_rules("http://127.0.0.1:4566,http://localhost:3000") == stated | {
        "AllowOrigins": ["http://127.0.0.1:4566", "http://localhost:3000"]
    }
    assert cors_rules("")["AllowOrigins"] == []


def test_the_token_claims_have_the_names_that_the_api_reads_by_default() -> None:
    names = ClaimNames()
    parameters = templates()[0]["Parameters"]
    defaults = [parameters[name]["Default"] for name in ("ClaimPractice", "ClaimRole", "ClaimClient")]
    assert defaults == [names.practice, names.role, names.client]
