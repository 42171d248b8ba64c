"""Subscriptions, grants, lineage and time series of the DataZone fake."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from meshplane.kit.clock import FixedClock
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import REGION, sandbox_in
from tests.builders.datazone_domain import (
    GLUE_TYPE,
    PRODUCT_MODEL,
    DataZoneDomain,
    datazone_domain,
)

ROLE = "arn:aws:iam::111122223333:role/reader"
RUN = "3f5e83fa-3480-44ff-99c5-ff943904e5e8"


@pytest.fixture(scope="module")
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def sandbox(clock: FixedClock) -> Iterator[AwsSandbox]:
    with sandbox_in(clock=clock) as running:
        yield running


@pytest.fixture(scope="module")
def there(sandbox: AwsSandbox) -> DataZoneDomain:
    return datazone_domain(sandbox)


@pytest.fixture(scope="module")
def environment(there: DataZoneDomain) -> str:
    """An environment of the reading project that is ACTIVE."""
    named = {"domainIdentifier": there.domain}
    (blueprint,) = there.reader.list_environment_blueprints(
        **named, name="CustomAwsService", managed=True
    )["items"]
    there.admin.put_environment_blueprint_configuration(
        **named, environmentBlueprintIdentifier=blueprint["id"], enabledRegions=[REGION]
    )
    made = there.reader.create_environment(
        **named,
        projectIdentifier=there.reading,
        name="lake",
        environmentBlueprintIdentifier=blueprint["id"],
    )
    states = [
        there.reader.get_environment(**named, identifier=made["id"])["status"] for _ in range(2)
    ]
    assert states == ["CREATING", "ACTIVE"]
    return str(made["id"])


@pytest.fixture(scope="module")
def custom_type(there: DataZoneDomain) -> str:
    named = {"domainIdentifier": there.domain, "owningProjectIdentifier": there.publishing}
    there.publisher.create_form_type(
        **named, name="Product", model={"smithy": PRODUCT_MODEL}, status="ENABLED"
    )
    there.publisher.create_asset_type(
        **named,
        name="CustomTable",
        formsInput={
            "ProductForm": {"typeIdentifier": "Product", "typeRevision": "1", "required": True}
        },
    )
    return "CustomTable"


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return str(error.value.response["Error"]["Code"])


def target(there: DataZoneDomain, environment: str, name: str, asset_type: str) -> str:
    made = there.reader.create_subscription_target(
        domainIdentifier=there.domain,
        environmentIdentifier=environment,
        name=name,
        type="GlueSubscriptionTargetType",
        subscriptionTargetConfig=[
            {"formName": "GlueSubscriptionTargetConfigForm", "content": "{}"}
        ],
        authorizedPrincipals=[ROLE],
        manageAccessRole=ROLE,
        applicableAssetTypes=[asset_type],
        subscriptionGrantCreationMode="MANUAL",
    )
    return str(made["id"])


def custom_asset(there: DataZoneDomain, name: str, custom_type: str) -> dict[str, Any]:
    form = {"formName": "ProductForm", "content": '{"owner": "ann"}'}
    return there.asset(name, typeIdentifier=custom_type, formsInput=[form])


def subscribed(there: DataZoneDomain, listing_id: str) -> dict[str, Any]:
    """The subscription that an accepted request has become."""
    request = there.request(listing_id)
    there.publisher.accept_subscription_request(
        domainIdentifier=there.domain, identifier=request["id"]
    )
    (found,) = there.reader.list_subscriptions(
        domainIdentifier=there.domain, subscriptionRequestIdentifier=request["id"]
    )["items"]
    subscription: dict[str, Any] = found
    return subscription


def test_a_request__is_decided_by_the_publishing_project_alone(there: DataZoneDomain) -> None:
    listing = there.listing(there.asset("asked for")["id"])
    request = there.request(listing["id"])
    named = {"domainIdentifier": there.domain, "identifier": request["id"]}
    by_reader = refusal(lambda: there.reader.accept_subscription_request(**named))
    by_admin = refusal(lambda: there.admin.accept_subscription_request(**named))
    accepted = there.publisher.accept_subscription_request(**named, decisionComment="fine")
    again = refusal(lambda: there.publisher.reject_subscription_request(**named))
    (subscription,) = there.reader.list_subscriptions(
        domainIdentifier=there.domain, subscriptionRequestIdentifier=request["id"]
    )["items"]
    assert (by_reader, by_admin) == ("AccessDeniedException", "AccessDeniedException")
    assert (accepted["status"], accepted["decisionComment"]) == ("ACCEPTED", "fine")
    assert again == "ConflictException"
    assert subscription["status"] == "APPROVED"
    assert subscription["subscribedPrincipal"]["project"]["id"] == there.reading


def test_a_request__asks_for_one_listing_and_one_principal(there: DataZoneDomain) -> None:
    listing = there.listing(there.asset("one only")["id"])
    two = [{"identifier": listing["id"]}] * 2
    both = [{"project": {"identifier": there.reading}}, {"project": {"identifier": there.reading}}]
    others = [{"project": {"identifier": there.publishing}}]
    codes = [
        refusal(lambda: there.request(listing["id"], subscribedListings=two)),
        refusal(lambda: there.request(listing["id"], subscribedPrincipals=both)),
        refusal(lambda: there.request(listing["id"], subscribedPrincipals=others)),
        refusal(lambda: there.request("nowhere")),
    ]
    assert codes == [
        "ValidationException",
        "ValidationException",
        "AccessDeniedException",
        "ResourceNotFoundException",
    ]


def test_a_request__that_is_pending__is_not_made_twice(there: DataZoneDomain) -> None:
    listing = there.listing(there.asset("pending")["id"])
    first = there.request(listing["id"], clientToken="ask once")
    again = there.request(listing["id"], clientToken="ask once")
    other = refusal(lambda: there.request(listing["id"]))
    named = {"domainIdentifier": there.domain, "identifier": first["id"]}
    there.reader.update_subscription_request(**named, requestReason="to count delays")
    there.reader.delete_subscription_request(**named)
    gone = refusal(lambda: there.reader.get_subscription_request_details(**named))
    assert (again["id"], other, gone) == (
        first["id"],
        "ConflictException",
        "ResourceNotFoundException",
    )


def test_a_request__of_what_is_not_in_the_catalogue__is_refused(there: DataZoneDomain) -> None:
    asset = there.asset("withdrawn")
    listing = there.listing(asset["id"])
    there.listing(asset["id"], "UNPUBLISH")
    assert refusal(lambda: there.request(listing["id"])) == "ValidationException"


def test_a_request__by_a_member_of_both_projects__is_accepted_at_once(
    there: DataZoneDomain,
) -> None:
    listing = there.listing(there.asset("both sides")["id"])
    there.reader.create_project_membership(
        domainIdentifier=there.domain,
        projectIdentifier=there.reading,
        member={"userIdentifier": ROLE.replace("reader", "publisher")},
        designation="PROJECT_CONTRIBUTOR",
    )
    request = there.publisher.create_subscription_request(
        domainIdentifier=there.domain,
        subscribedListings=[{"identifier": listing["id"]}],
        subscribedPrincipals=[{"project": {"identifier": there.reading}}],
        requestReason="both",
    )
    there.reader.delete_project_membership(
        domainIdentifier=there.domain,
        projectIdentifier=there.reading,
        member={"userIdentifier": ROLE.replace("reader", "publisher")},
    )
    assert request["status"] == "ACCEPTED"


def test_a_rejected_request__makes_no_subscription(there: DataZoneDomain) -> None:
    listing = there.listing(there.asset("rejected")["id"])
    request = there.request(listing["id"])
    there.publisher.reject_subscription_request(
        domainIdentifier=there.domain, identifier=request["id"], decisionComment="no"
    )
    pending = there.publisher.list_subscription_requests(
        domainIdentifier=there.domain, approverProjectId=there.publishing, status="REJECTED"
    )["items"]
    subscriptions = there.reader.list_subscriptions(
        domainIdentifier=there.domain, subscribedListingId=listing["id"]
    )["items"]
    assert [one["id"] for one in pending] == [request["id"]]
    assert subscriptions == []


def test_a_custom_grant__goes_as_its_granter_says(
    sandbox: AwsSandbox, there: DataZoneDomain, environment: str, custom_type: str
) -> None:
    asset = custom_asset(there, "granted", custom_type)
    listing = there.listing(asset["id"])
    target_id = target(there, environment, "by hand", custom_type)
    said = {
        "domainIdentifier": there.domain,
        "environmentIdentifier": environment,
        "subscriptionTargetIdentifier": target_id,
        "grantedEntity": {
            "listing": {"identifier": listing["id"], "revision": listing["listingRevision"]}
        },
    }
    unsubscribed = refusal(lambda: there.reader.create_subscription_grant(**said))
    subscription = subscribed(there, listing["id"])
    grant = there.reader.create_subscription_grant(**said)
    twice = refusal(lambda: there.reader.create_subscription_grant(**said))

    def report(status: str) -> str:
        return str(
            there.publisher.update_subscription_grant_status(
                domainIdentifier=there.domain,
                identifier=grant["id"],
                assetIdentifier=asset["id"],
                status=status,
            )["status"]
        )

    before = [report("GRANT_IN_PROGRESS"), report("GRANTED")]
    backwards = refusal(lambda: report("REVOKED"))
    there.publisher.revoke_subscription(
        domainIdentifier=there.domain, identifier=subscription["id"]
    )
    pending = there.reader.get_subscription_grant(
        domainIdentifier=there.domain, identifier=grant["id"]
    )
    report("REVOKED")
    gone = refusal(
        lambda: there.reader.get_subscription_grant(
            domainIdentifier=there.domain, identifier=grant["id"]
        )
    )
    told = [
        one["detail-type"]
        for one in sandbox.world.services["datazone"].events
        if one["detail"]["metadata"]["id"] == grant["id"]
    ]
    assert (unsubscribed, twice) == ("AccessDeniedException", "ConflictException")
    assert (grant["status"], grant["assets"][0]["status"]) == ("PENDING", "GRANT_PENDING")
    assert before == ["IN_PROGRESS", "COMPLETED"]
    assert (backwards, gone) == ("ConflictException", "ResourceNotFoundException")
    assert pending["assets"][0]["status"] == "REVOKE_PENDING"
    assert told == [
        "Subscription Grant Requested",
        "Subscription Grant Completed",
        "Subscription Grant Revoke Requested",
        "Subscription Grant Revoke Completed",
    ]


def test_a_managed_grant__is_made_by_datazone_itself(
    there: DataZoneDomain, environment: str
) -> None:
    asset = there.asset("managed")
    listing = there.listing(asset["id"])
    target_id = target(there, environment, "managed", GLUE_TYPE)
    subscribed(there, listing["id"])
    grant = there.reader.create_subscription_grant(
        domainIdentifier=there.domain,
        environmentIdentifier=environment,
        subscriptionTargetIdentifier=target_id,
        grantedEntity={"listing": {"identifier": listing["id"], "revision": "1"}},
    )
    named = {"domainIdentifier": there.domain, "identifier": grant["id"]}
    by_hand = refusal(
        lambda: there.publisher.update_subscription_grant_status(
            **named, assetIdentifier=asset["id"], status="GRANTED"
        )
    )
    states = [there.reader.get_subscription_grant(**named)["status"] for _ in range(2)]
    assert by_hand == "ValidationException"
    assert states == ["IN_PROGRESS", "COMPLETED"]


def test_filters__limit_a_subscription_to_columns_and_rows(there: DataZoneDomain) -> None:
    asset = there.asset("filtered")
    named = {"domainIdentifier": there.domain, "assetIdentifier": asset["id"]}
    columns = there.publisher.create_asset_filter(
        **named,
        name="delays",
        configuration={"columnConfiguration": {"includedColumnNames": ["delay"]}},
    )
    is_late = {"expression": {"greaterThan": {"columnName": "delay", "value": "15"}}}
    rows = there.publisher.create_asset_filter(
        **named, name="late", configuration={"rowConfiguration": {"rowFilter": is_late}}
    )
    bad = there.publisher.create_asset_filter(
        **named,
        name="bad",
        configuration={"columnConfiguration": {"includedColumnNames": ["nothing"]}},
    )
    listing = there.listing(asset["id"])
    request = there.request(listing["id"])
    accept = {"domainIdentifier": there.domain, "identifier": request["id"]}
    invalid = refusal(
        lambda: there.publisher.accept_subscription_request(
            **accept, assetScopes=[{"assetId": asset["id"], "filterIds": [bad["id"]]}]
        )
    )
    accepted = there.publisher.accept_subscription_request(
        **accept,
        assetScopes=[{"assetId": asset["id"], "filterIds": [columns["id"], rows["id"]]}],
    )
    item = accepted["subscribedListings"][0]["item"]["assetListing"]
    assert (columns["status"], rows["effectiveRowFilter"]) == ("VALID", "delay > '15'")
    assert (bad["status"], invalid) == ("INVALID", "ValidationException")
    assert item["assetScope"]["filterIds"] == [columns["id"], rows["id"]]


def test_cancel__is_the_subscribers_and_revoke_the_publishers(there: DataZoneDomain) -> None:
    listing = there.listing(there.asset("cancelled")["id"])
    subscription = subscribed(there, listing["id"])
    named = {"domainIdentifier": there.domain, "identifier": subscription["id"]}
    theirs = refusal(lambda: there.reader.revoke_subscription(**named))
    cancelled = there.reader.cancel_subscription(**named)
    late = refusal(lambda: there.publisher.revoke_subscription(**named))
    assert cancelled["status"] == "CANCELLED"
    assert (theirs, late) == ("AccessDeniedException", "ConflictException")


def run_event(**changes: Any) -> bytes:
    event = {
        "eventType": "COMPLETE",
        "eventTime": "2026-01-01T00:00:00Z",
        "producer": "https://meshplane.test",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        "run": {"runId": RUN},
        "job": {"namespace": "meshplane", "name": "query"},
        "inputs": [{"namespace": "glue", "name": "flights"}],
        "outputs": [{"namespace": "glue", "name": "delays"}],
        **changes,
    }
    return json.dumps({name: part for name, part in event.items() if part is not None}).encode()


def test_a_lineage_event__becomes_nodes_in_its_own_time(there: DataZoneDomain) -> None:
    named = {"domainIdentifier": there.domain}
    posted = there.publisher.post_lineage_event(**named, event=run_event())
    early = refusal(lambda: there.reader.get_lineage_node(**named, identifier="glue/delays"))
    states = [
        there.reader.get_lineage_event(**named, identifier=posted["id"])["processingStatus"]
        for _ in range(3)
    ]
    node = there.reader.get_lineage_node(**named, identifier="glue/delays")
    job = there.reader.get_lineage_node(**named, identifier=node["upstreamNodes"][0]["id"])
    history = there.reader.list_lineage_node_history(**named, identifier="glue/flights")["nodes"]
    assert early == "ResourceNotFoundException"
    assert states == ["REQUESTED", "PROCESSING", "SUCCESS"]
    assert job["sourceIdentifier"] == "meshplane/query"
    assert len(job["upstreamNodes"]) == len(job["downstreamNodes"]) == 1
    assert [one["name"] for one in history] == ["flights"]


@pytest.mark.parametrize(
    "event",
    [
        b"no json",
        run_event(run=None),
        run_event(run={"runId": "seven"}),
        run_event(eventTime="today"),
        run_event(producer="me"),
        run_event(job={"name": "no namespace"}),
        run_event(eventType="DONE"),
    ],
)
def test_a_lineage_event__that_is_no_run_event__is_refused(
    there: DataZoneDomain, event: bytes
) -> None:
    code = refusal(
        lambda: there.publisher.post_lineage_event(domainIdentifier=there.domain, event=event)
    )
    assert code == "ValidationException"


def test_quality_scores__are_points_of_a_series(there: DataZoneDomain) -> None:
    asset = there.asset("scored")
    named = {
        "domainIdentifier": there.domain,
        "entityIdentifier": asset["id"],
        "entityType": "ASSET",
    }

    def score(client: Any, hour: int, content: dict[str, Any]) -> None:
        client.post_time_series_data_points(
            **named,
            forms=[
                {
                    "formName": "rules",
                    "typeIdentifier": "amazon.datazone.DataQualityResultFormType",
                    "timestamp": datetime(2026, 1, 1, hour, tzinfo=UTC),
                    "content": json.dumps(content),
                }
            ],
        )

    rule = {"description": "IsComplete", "status": "PASS", "types": ["Completeness"]}
    good = {"evaluations": [rule], "passingPercentage": 100.0, "evaluationsCount": 1}
    for hour in (1, 2, 2):
        score(there.publisher, hour, good)
    points = there.reader.list_time_series_data_points(**named, formName="rules")["items"]
    shown = there.reader.get_asset(domainIdentifier=there.domain, identifier=asset["id"])
    latest = shown["latestTimeSeriesDataPointFormsOutput"][0]
    bad = refusal(lambda: score(there.publisher, 3, {"passingPercentage": 1}))
    theirs = refusal(lambda: score(there.reader, 3, good))
    assert [one["timestamp"].hour for one in points] == [2, 1]
    assert json.loads(latest["contentSummary"])["passingPercentage"] == 100.0
    assert (bad, theirs) == ("ValidationException", "AccessDeniedException")
