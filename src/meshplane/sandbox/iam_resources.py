"""The ARNs that a call is about, as far as its parameters name them.

Source: the Service Authorization Reference, "Resource types defined by …" of each service.
"""

from collections.abc import Callable, Mapping
from typing import Any

from meshplane.sandbox.fake import Caller
from meshplane.sandbox.iam_actions import prefix_of
from meshplane.sandbox.iam_context import key_of_alias

Parameters = Mapping[str, Any]


def resources_of(
    service: str, action: str, caller: Caller, parameters: Parameters
) -> list[str] | None:
    """The ARNs that an action must be allowed on, each of them.

    Args:
        service: botocore's name.
        action: `s3:GetObject`.
        caller: whose account and region fill what a name leaves open.
        parameters: of the call.

    Returns:
        None where the call names none, or where only the service could tell it.
    """
    find = _FINDERS.get(service)
    found = find(action.partition(":")[2], caller, parameters) if find else _any_arn(parameters)
    return found or None


def _s3(action: str, _caller: Caller, given: Parameters) -> list[str]:
    bucket = given.get("Bucket")
    if not bucket:
        return []
    whole = f"arn:aws:s3:::{bucket}"
    if "Delete" in given and "Key" not in given:  # DeleteObjects
        return [f"{whole}/{each.get('Key', '')}" for each in given["Delete"].get("Objects", [])]
    return [f"{whole}/{given['Key']}"] if "Key" in given and "Object" in action else [whole]


def _dynamodb(_action: str, caller: Caller, given: Parameters) -> list[str]:
    names = [given["TableName"]] if "TableName" in given else []
    names += list(given.get("RequestItems", {}))
    for item in given.get("TransactItems", []):
        names += [part["TableName"] for part in item.values() if "TableName" in part]
    found = []
    for name in dict.fromkeys(names):
        arn = name if name.startswith("arn:") else _arn("dynamodb", caller, f"table/{name}")
        index = given.get("IndexName")
        found.append(f"{arn}/index/{index}" if index else arn)
    return found


def _sqs(_action: str, caller: Caller, given: Parameters) -> list[str]:
    if "QueueUrl" in given:
        before, _, name = str(given["QueueUrl"]).rpartition("/")
        return [f"arn:aws:sqs:{caller.region}:{before.rpartition('/')[2]}:{name}"]
    return [_arn("sqs", caller, given["QueueName"])] if "QueueName" in given else []


def _sns(_action: str, caller: Caller, given: Parameters) -> list[str]:
    if "Name" in given:
        return [_arn("sns", caller, given["Name"])]
    return [given["TopicArn"]] if "TopicArn" in given else _any_arn(given)


def _glue(action: str, caller: Caller, given: Parameters) -> list[str]:
    """A table's action is allowed on the catalog, the database and the table, or not at all."""
    where = Caller(given.get("CatalogId", caller.account), caller.region, "", "", "")
    if "Crawler" in action:
        name = given.get("Name") or given.get("CrawlerName")
        return [_arn("glue", caller, f"crawler/{name}")] if name else []
    if "DataQuality" in action:
        return [_arn("glue", caller, f"dataQualityRuleset/{given.get('Name', '*')}")]
    if "Job" in action:
        return []
    database = given.get("DatabaseName") or given.get("DatabaseInput", {}).get("Name")
    if "Database" in action and database is None:
        database = given.get("Name")
    if database is None:
        return [_arn("glue", where, "catalog")] if "Database" in action else []
    found = [_arn("glue", where, "catalog"), _arn("glue", where, f"database/{database}")]
    table = given.get("TableName") or given.get("TableInput", {}).get("Name")
    if table is None and "Table" in action:
        table = given.get("Name")
    return [*found, _arn("glue", where, f"table/{database}/{table}")] if table else found


def _events(action: str, caller: Caller, given: Parameters) -> list[str]:
    if action == "PutEvents":
        buses = [entry.get("EventBusName", "default") for entry in given.get("Entries", [])]
        return [_bus(caller, name) for name in dict.fromkeys(buses)]
    bus = given.get("EventBusName", "default").rpartition("/")[2]
    rule = given.get("Rule") or (given.get("Name") if "Rule" in action else None)
    if rule:
        place = f"rule/{rule}" if bus == "default" else f"rule/{bus}/{rule}"
        return [_arn("events", caller, place)]
    if "EventBus" in action and "Name" in given:
        return [_bus(caller, given["Name"])]
    if "ArchiveName" in given:
        return [_arn("events", caller, f"archive/{given['ArchiveName']}")]
    return []


def _bus(caller: Caller, name: str) -> str:
    return name if name.startswith("arn:") else _arn("events", caller, f"event-bus/{name}")


def _states(_action: str, caller: Caller, given: Parameters) -> list[str]:
    if "name" in given and "definition" in given:
        return [_arn("states", caller, f"stateMachine:{given['name']}")]
    return _any_arn(given)


def _iam(_action: str, caller: Caller, given: Parameters) -> list[str]:
    kinds = {"RoleName": "role", "UserName": "user", "GroupName": "group"}
    for member, kind in kinds.items():
        if member in given:
            return [f"arn:aws:iam::{caller.account}:{kind}/{given[member]}"]
    if "PolicyName" in given:
        return [f"arn:aws:iam::{caller.account}:policy/{given['PolicyName']}"]
    return _any_arn(given)


def _secrets(_action: str, caller: Caller, given: Parameters) -> list[str]:
    name = given.get("SecretId") or given.get("Name")
    if not name:
        return []
    # Secrets Manager adds a hyphen and six characters to the name.
    made = f"secret:{name}-AAAAAA"
    return [name if name.startswith("arn:") else _arn("secretsmanager", caller, made)]


def _kms(_action: str, caller: Caller, given: Parameters) -> list[str]:
    """What changes an alias is allowed on the alias and on each key that it leads to."""
    alias = given.get("AliasName")
    found = [_arn("kms", caller, str(alias))] if alias else []
    for key in (given.get("KeyId"), given.get("TargetKeyId"), alias):
        name = str(key or "").rpartition(":")[2]
        if name.startswith("alias/"):
            led_to = key_of_alias(caller.account, caller.region, name)
            found += [led_to] if led_to else []
        elif key:
            found.append(key if key.startswith("arn:") else _arn("kms", caller, f"key/{key}"))
    return found


def _lambda(_action: str, caller: Caller, given: Parameters) -> list[str]:
    name = given.get("FunctionName")
    if not name:
        return []
    return [name if name.startswith("arn:") else _arn("lambda", caller, f"function:{name}")]


def _athena(_action: str, caller: Caller, given: Parameters) -> list[str]:
    group = given.get("WorkGroup") or given.get("Name")
    return [_arn("athena", caller, f"workgroup/{group}")] if group else []


def _cloudformation(_action: str, caller: Caller, given: Parameters) -> list[str]:
    name = given.get("StackName")
    if not name:
        return []
    return [name if name.startswith("arn:") else _arn("cloudformation", caller, f"stack/{name}/*")]


def _nothing(_action: str, _caller: Caller, _given: Parameters) -> list[str]:
    return []


def _datazone(_action: str, caller: Caller, given: Parameters) -> list[str]:
    domain = given.get("domainIdentifier")
    if not domain and "Domain" in _action:
        domain = given.get("identifier")
    return [_arn("datazone", caller, f"domain/{domain}")] if domain else []


_FINDERS: Mapping[str, Callable[[str, Caller, Parameters], list[str]]] = {
    "athena": _athena,
    "cloudformation": _cloudformation,
    "cloudwatch": _nothing,
    "datazone": _datazone,
    "dynamodb": _dynamodb,
    "events": _events,
    "glue": _glue,
    "iam": _iam,
    "kms": _kms,
    # "Resource types defined by AWS Lake Formation": there are none.
    "lakeformation": _nothing,
    "lambda": _lambda,
    "s3": _s3,
    "secretsmanager": _secrets,
    "sns": _sns,
    "sqs": _sqs,
    "stepfunctions": _states,
}


def _any_arn(given: Parameters) -> list[str]:
    """The first member that holds an ARN and is called so."""
    for name, value in given.items():
        if name.lower().endswith("arn") and isinstance(value, str) and value.startswith("arn:"):
            return [value]
    return []


def _arn(service: str, caller: Caller, resource: str) -> str:
    return f"arn:aws:{prefix_of(service)}:{caller.region}:{caller.account}:{resource}"
