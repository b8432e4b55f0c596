"""What each role may do, against a table written by hand: a change here is a change of what a function can reach."""

import ast

from tests.infra.roles import allowed
from tests.infra.transformed import ROOT, resources

TABLE = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${TableName}"
DUE, ROSTER, NAMES, SESSIONS = (f"{TABLE}/index/{name}" for name in ("due", "roster", "names", "sessions"))
SECRETS = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/client-credits/${Prefix}"
# All reads by key are batches, all writes transactions; a transaction needs the right to each write in it.
ITEMS = {"dynamodb:BatchGetItem", "dynamodb:PutItem"}
QUERY = {"dynamodb:Query"}
CONSUME = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
LOOK = {"sqs:GetQueueAttributes"}
DEAD_LETTERS = ("StripeDeadLetters", "BookingsDeadLetters", "SweepDeadLetters", "JobsDeadLetters", "PublishFailures")
TRACE = {"*": {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}}


def logs(group: str) -> dict[str, set[str]]:
    return {f"{group}.Arn": {"logs:CreateLogStream", "logs:PutLogEvents"}}


# Every role and everything it may do, by resource.
ALLOWED: dict[str, dict[str, set[str]]] = {
    "ApiRole": {
        TABLE: ITEMS | QUERY,
        ROSTER: QUERY,
        NAMES: QUERY,
        SESSIONS: QUERY,
        f"{SECRETS}/cursor-key": {"ssm:GetParameter"},
        "JobsQueueArn": {"sqs:SendMessage"},
        "arn:${AWS::Partition}:s3:::${FilesBucket}/files/*": {"s3:GetObject"},
        f"{SECRETS}/session-key": {"ssm:GetParameter"},
        f"{SECRETS}/stripe-api-key/*": {"ssm:GetParameter"},
        **{f"{queue}Arn": LOOK for queue in DEAD_LETTERS},
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
        TABLE: ITEMS | QUERY,
        "StripeQueue.Arn": CONSUME,
        f"{SECRETS}/stripe-api-key/*": {"ssm:GetParameter"},
    }
    | logs("StripeEventsLogs")
    | TRACE,
    # A cancellation may have to follow a payment given back, and reads entries for that.
    "BookingsRole": {
        TABLE: ITEMS | QUERY,
        "BookingsQueue.Arn": CONSUME,
        "BookingsDeadLetters.Arn": {"sqs:SendMessage"},
    }
    | logs("BookingsLogs")
    | TRACE,
    # The sweep alone moves a wallet in the index without writing the wallet.
    "SweepRole": {
        TABLE: ITEMS | {"dynamodb:UpdateItem"} | QUERY,
        DUE: QUERY,
        "SweepQueue.Arn": CONSUME | {"sqs:SendMessage"},
        "JobsQueueArn": {"sqs:SendMessage"},
    }
    | logs("SweepLogs")
    | TRACE,
    # Finished files it cannot read again.
    "JobsRole": {
        TABLE: ITEMS | QUERY,
        ROSTER: QUERY,
        "JobsQueue.Arn": CONSUME | {"sqs:SendMessage"},
        "${Files.Arn}/files/*": {"s3:PutObject"},
        "${Files.Arn}/unfinished/*": {"s3:PutObject", "s3:GetObject"},
    }
    | logs("JobsLogs")
    | TRACE,
    "ReconcileRole": {
        TABLE: ITEMS | QUERY,
        f"{SECRETS}/stripe-api-key": {"ssm:GetParametersByPath"},
        f"{SECRETS}/stripe-api-key/*": {"ssm:GetParameter"},
    }
    | logs("ReconcileLogs")
    | TRACE,
    "PublishEntriesRole": {
        f"{TABLE}/stream/*": {
            f"dynamodb:{name}" for name in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
        },
        "EventBusArn": {"events:PutEvents"},
        "PublishFailures.Arn": {"sqs:SendMessage"},
    }
    | logs("PublishEntriesLogs")
    | TRACE,
    "SweepTimerRole": {"SweepFunctionAliaslive": {"lambda:InvokeFunction"}},
    "ReconcileTimerRole": {"ReconcileFunctionAliaslive": {"lambda:InvokeFunction"}},
}


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


def test_what_the_store_writes_into_the_table_is_granted_and_nothing_else_is() -> None:
    kinds = {"Put", "Update", "Delete", "ConditionCheck"}
    written = {
        node.value
        for path in (ROOT / "shared" / "client_credits" / "store").glob("*.py")
        if path.name != "erasing.py"  # operators alone erase
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in kinds
    }
    rights = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
    granted = {action for role in ALLOWED.values() for action in role.get(TABLE, set())}
    reading = {"dynamodb:BatchGetItem", "dynamodb:Query"}
    assert granted - reading == {f"dynamodb:{rights[kind]}" for kind in written}


def test_only_the_command_line_erases() -> None:
    """What deletes items, or reads the whole table, is reached from `credits forget` and from nowhere else."""
    package = ROOT / "shared" / "client_credits"
    users = {"erasing": set[str](), "forgetting": set[str](), "items_of_kinds": set[str]()}
    for path in package.rglob("*.py"):
        text = path.read_text()
        for name, found in users.items():
            if f"import {name}" in text or f", {name}" in text or f"{name} import" in text or f".{name}(" in text:
                found.add(str(path.relative_to(package)))
    assert users == {
        "erasing": {"operations/staff/forgetting.py"},
        "forgetting": {"cli/forget.py"},
        "items_of_kinds": {"operations/staff/forgetting.py"},
    }
