"""Types, assets, listings, search, glossaries and data products of the DataZone fake."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from meshplane.kit.clock import FixedClock
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.datazone_domain import (
    GLUE_FORM,
    GLUE_TYPE,
    PRODUCT_MODEL,
    DataZoneDomain,
    datazone_domain,
    glue_form,
)


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


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as error:
        call()
    return str(error.value.response["Error"]["Code"])


def form_type(there: DataZoneDomain, name: str, model: str, **more: Any) -> dict[str, Any]:
    said = {"status": "ENABLED", "owningProjectIdentifier": there.publishing, **more}
    made: dict[str, Any] = there.publisher.create_form_type(
        domainIdentifier=there.domain, name=name, model={"smithy": model}, **said
    )
    return made


def test_system_types__are_found_and_tell_their_forms(there: DataZoneDomain) -> None:
    found = there.reader.search_types(
        domainIdentifier=there.domain, searchScope="ASSET_TYPE", managed=True
    )["items"]
    asset_type = there.reader.get_asset_type(domainIdentifier=there.domain, identifier=GLUE_TYPE)
    form = asset_type["formsOutput"]["GlueTableForm"]
    model = there.reader.get_form_type(domainIdentifier=there.domain, formTypeIdentifier=GLUE_FORM)
    assert [one["assetTypeItem"]["name"] for one in found] == [GLUE_TYPE]
    assert form == {"typeName": GLUE_FORM, "typeRevision": model["revision"], "required": True}
    assert "structure GlueTableFormType" in model["model"]["smithy"]


def test_a_form_type_again__is_its_next_revision_and_only_its_projects(
    there: DataZoneDomain,
) -> None:
    first = form_type(there, "Product", PRODUCT_MODEL)
    second = form_type(there, "Product", PRODUCT_MODEL)
    older = there.reader.get_form_type(
        domainIdentifier=there.domain, formTypeIdentifier="Product", revision="1"
    )
    theirs = refusal(
        lambda: there.reader.create_form_type(
            domainIdentifier=there.domain,
            name="Product",
            model={"smithy": PRODUCT_MODEL},
            owningProjectIdentifier=there.reading,
        )
    )
    assert (first["revision"], second["revision"], older["revision"]) == ("1", "2", "1")
    assert theirs == "ConflictException"


@pytest.mark.parametrize(
    "model",
    ["no smithy at all", "structure Other { a: String }", "structure Bad { a: Unheard }"],
)
def test_a_form_type_whose_model_makes_no_sense__is_refused(
    there: DataZoneDomain, model: str
) -> None:
    assert refusal(lambda: form_type(there, "Bad", model)) == "ValidationException"


def test_a_custom_asset_type__demands_its_forms(there: DataZoneDomain) -> None:
    revision = form_type(there, "Wanted", PRODUCT_MODEL.replace("Product", "Wanted"))["revision"]
    entry = {"typeIdentifier": "Wanted", "typeRevision": revision, "required": True}
    made = there.publisher.create_asset_type(
        domainIdentifier=there.domain,
        name="WantedAsset",
        formsInput={"WantedForm": entry},
        owningProjectIdentifier=there.publishing,
    )
    good = {"formName": "WantedForm", "content": json.dumps({"owner": "ann", "level": 3})}
    asset = there.asset("wanted", typeIdentifier="WantedAsset", formsInput=[good])
    contents = ["{", "[]", '{"level": 3}', '{"owner": 3}', '{"owner": "a", "more": 1}']
    codes = {
        refusal(
            lambda: there.asset(
                "bad",
                typeIdentifier="WantedAsset",
                formsInput=[{**good, "content": content}],  # noqa: B023
            )
        )
        for content in contents
    }
    assert made["formsOutput"]["WantedForm"]["typeRevision"] == revision
    assert asset["formsOutput"][0]["typeName"] == "Wanted"
    assert codes == {"ValidationException"}


@pytest.mark.parametrize(
    "forms",
    [
        [],
        [glue_form("t", typeRevision="12")],
        [glue_form("t", typeIdentifier="amazon.datazone.AssetCommonDetailsFormType")],
        [glue_form("t"), glue_form("t")],
        [glue_form("t", content='{"tableName": "t", "columns": [{"description": "x"}]}')],
        [glue_form("t"), {"formName": "Unknown", "content": "{}"}],
    ],
)
def test_create_asset__with_forms_that_do_not_fit__is_refused(
    there: DataZoneDomain, forms: list[dict[str, Any]]
) -> None:
    assert refusal(lambda: there.asset("t", formsInput=forms)) == "ValidationException"


def test_create_asset__external_identifier_taken__is_refused(there: DataZoneDomain) -> None:
    there.asset("unique", externalIdentifier="asset-1")
    taken = refusal(lambda: there.asset("another", externalIdentifier="asset-1"))
    assert taken == "ConflictException"


def test_create_asset__of_a_project_of_others__is_refused(there: DataZoneDomain) -> None:
    assert refusal(lambda: there.asset("theirs", there.reader)) == "AccessDeniedException"


def test_create_asset__with_the_same_token__is_made_once(there: DataZoneDomain) -> None:
    first = there.asset("once", clientToken="asset-once")
    again = there.asset("once", clientToken="asset-once")
    other = refusal(lambda: there.asset("twice", clientToken="asset-once"))
    assert again["id"] == first["id"]
    assert other == "ConflictException"


def test_a_revision__replaces_what_is_said_and_keeps_what_was(there: DataZoneDomain) -> None:
    asset = there.asset("revised", description="first")
    second = there.publisher.create_asset_revision(
        domainIdentifier=there.domain,
        identifier=asset["id"],
        name="revised again",
        formsInput=[glue_form("revised")],
    )
    first = there.reader.get_asset(
        domainIdentifier=there.domain, identifier=asset["id"], revision="1"
    )
    revisions = there.reader.list_asset_revisions(
        domainIdentifier=there.domain, identifier=asset["id"]
    )["items"]
    assert (second["revision"], "description" in second) == ("2", False)
    assert (first["name"], first["description"]) == ("revised", "first")
    assert [one["revision"] for one in revisions] == ["2", "1"]


def test_publish__is_creating_then_active_and_again_a_revision(there: DataZoneDomain) -> None:
    asset = there.asset("published")
    said = {
        "domainIdentifier": there.domain,
        "entityIdentifier": asset["id"],
        "entityType": "ASSET",
        "action": "PUBLISH",
    }
    change = there.publisher.create_listing_change_set(**said)
    states = [
        there.reader.get_listing(domainIdentifier=there.domain, identifier=change["listingId"])
        for _ in range(2)
    ]
    shown = there.reader.get_asset(domainIdentifier=there.domain, identifier=asset["id"])
    again = there.listing(asset["id"])
    assert change["status"] == "CREATING"
    assert [one["status"] for one in states] == ["CREATING", "ACTIVE"]
    assert states[1]["item"]["assetListing"]["assetId"] == asset["id"]
    assert shown["listing"] == {"listingId": change["listingId"], "listingStatus": "ACTIVE"}
    assert (again["id"], again["listingRevision"]) == (change["listingId"], "2")


def test_unpublish__takes_it_out_of_the_catalogue_and_lets_it_be_deleted(
    there: DataZoneDomain,
) -> None:
    asset = there.asset("withdrawn")
    there.listing(asset["id"])
    named = {"domainIdentifier": there.domain, "identifier": asset["id"]}
    listed = refusal(lambda: there.publisher.delete_asset(**named))
    listing = there.listing(asset["id"], "UNPUBLISH")
    found = there.reader.search_listings(domainIdentifier=there.domain, searchText="withdrawn")
    twice = refusal(lambda: there.listing(asset["id"], "UNPUBLISH"))
    there.publisher.delete_asset(**named)
    gone = refusal(lambda: there.publisher.get_asset(**named))
    assert (listed, listing["status"], found["items"]) == ("ConflictException", "INACTIVE", [])
    assert (twice, gone) == ("ConflictException", "ResourceNotFoundException")


def test_publish__is_the_publishing_projects_business(there: DataZoneDomain) -> None:
    asset = there.asset("not theirs")
    code = refusal(
        lambda: there.reader.create_listing_change_set(
            domainIdentifier=there.domain,
            entityIdentifier=asset["id"],
            entityType="ASSET",
            action="PUBLISH",
        )
    )
    assert code == "AccessDeniedException"


def test_search__finds_the_inventory_by_text_filters_and_order(there: DataZoneDomain) -> None:
    for name in ("searched b", "searched a", "searched c"):
        there.asset(name, description="on time" if name.endswith("b") else "late")
    clauses = [
        {"filter": {"attribute": "description", "value": "late"}},
        {"filter": {"attribute": "GlueTableForm.databaseName", "value": "aviation"}},
    ]
    found = there.reader.search(
        domainIdentifier=there.domain,
        searchScope="ASSET",
        searchText="searched",
        filters={"and": clauses},
        sort={"attribute": "name", "order": "DESCENDING"},
        maxResults=1,
    )
    rest = there.reader.search(
        domainIdentifier=there.domain,
        searchScope="ASSET",
        searchText="searched",
        filters={"and": clauses},
        sort={"attribute": "name", "order": "DESCENDING"},
        nextToken=found["nextToken"],
    )
    names = [one["assetItem"]["name"] for one in found["items"] + rest["items"]]
    assert names == ["searched c", "searched a"]
    assert found["totalMatchCount"] == 2


def test_search__looks_for_quoted_words_as_written_and_refuses_an_open_quote(
    there: DataZoneDomain,
) -> None:
    there.asset("quoted delay")
    asked = {"domainIdentifier": there.domain, "searchScope": "ASSET"}
    found = there.reader.search(**asked, searchText='"delay quoted"')
    assert [one["assetItem"]["name"] for one in found["items"]] == ["quoted delay"]
    code = refusal(lambda: there.reader.search(**asked, searchText='"quoted'))
    assert code == "ValidationException"


def test_search_listings__filters_by_union_and_counts(there: DataZoneDomain) -> None:
    for name in ("catalogued one", "catalogued two"):
        there.listing(there.asset(name)["id"])
    there.asset("catalogued never")
    either = [
        {"filter": {"attribute": "name", "value": "one", "operator": "TEXT_SEARCH"}},
        {"filter": {"attribute": "name", "value": "catalogued two"}},
    ]
    found = there.reader.search_listings(
        domainIdentifier=there.domain,
        searchText="catalogued",
        filters={"or": either},
        aggregations=[{"attribute": "owningProjectId"}],
        additionalAttributes=["FORMS"],
    )
    wrong = refusal(
        lambda: there.reader.search_listings(
            domainIdentifier=there.domain, filters={"filter": {"attribute": "name"}}
        )
    )
    entries = [one["assetListing"] for one in found["items"]]
    assert sorted(one["name"] for one in entries) == ["catalogued one", "catalogued two"]
    assert "aviation" in entries[0]["additionalAttributes"]["forms"]
    assert found["aggregates"][0]["items"] == [{"value": there.publishing, "count": 2}]
    assert wrong == "ValidationException"


def test_search_listings__lags_behind(
    sandbox: AwsSandbox, there: DataZoneDomain, clock: FixedClock
) -> None:
    def found() -> int:
        answer = there.reader.search_listings(domainIdentifier=there.domain, searchText="slow")
        return len(answer["items"])

    sandbox.world.visibility_seconds = 5
    try:
        there.listing(there.asset("slow")["id"])
        early = found()
        clock.advance(6)
        late = found()
    finally:
        sandbox.world.visibility_seconds = 0
    assert (early, late) == (0, 1)


def test_glossary_terms__are_put_on_assets_by_id_when_enabled(there: DataZoneDomain) -> None:
    glossary = there.publisher.create_glossary(
        domainIdentifier=there.domain,
        name="flights",
        owningProjectIdentifier=there.publishing,
        status="ENABLED",
    )
    said = {"domainIdentifier": there.domain, "glossaryIdentifier": glossary["id"]}
    term = there.publisher.create_glossary_term(
        **said, name="delay", status="ENABLED", shortDescription="late"
    )
    off = there.publisher.create_glossary_term(**said, name="off", status="DISABLED")
    asset = there.asset("termed", glossaryTerms=[term["id"]])
    listing = there.listing(asset["id"])
    taken = refusal(lambda: there.publisher.create_glossary_term(**said, name="delay"))
    disabled = refusal(lambda: there.asset("x", glossaryTerms=[off["id"]]))
    unknown = refusal(lambda: there.asset("x", glossaryTerms=["delay"]))
    in_use = refusal(
        lambda: there.publisher.delete_glossary_term(
            domainIdentifier=there.domain, identifier=term["id"]
        )
    )
    shown = listing["item"]["assetListing"]["glossaryTerms"]
    assert shown == [{"name": "delay", "shortDescription": "late"}]
    assert (taken, in_use) == ("ConflictException", "ConflictException")
    assert (disabled, unknown) == ("ValidationException", "ResourceNotFoundException")


def test_governed_terms__come_from_restricted_glossaries_alone(there: DataZoneDomain) -> None:
    glossary = there.publisher.create_glossary(
        domainIdentifier=there.domain,
        name="restricted",
        owningProjectIdentifier=there.publishing,
        status="ENABLED",
        usageRestrictions=["ASSET_GOVERNED_TERMS"],
    )
    term = there.publisher.create_glossary_term(
        domainIdentifier=there.domain,
        glossaryIdentifier=glossary["id"],
        name="secret",
        status="ENABLED",
    )
    asset = there.asset("governed")
    there.publisher.associate_governed_terms(
        domainIdentifier=there.domain,
        entityIdentifier=asset["id"],
        entityType="ASSET",
        governedGlossaryTerms=[term["id"]],
    )
    shown = there.reader.get_asset(domainIdentifier=there.domain, identifier=asset["id"])
    plain = refusal(lambda: there.asset("x", glossaryTerms=[term["id"]]))
    assert shown["governedGlossaryTerms"] == [term["id"]]
    assert plain == "ValidationException"


def test_a_data_product__publishes_assets_together(there: DataZoneDomain) -> None:
    asset = there.asset("part")
    product = there.publisher.create_data_product(
        domainIdentifier=there.domain,
        name="flights of a year",
        owningProjectIdentifier=there.publishing,
        items=[{"itemType": "ASSET", "identifier": asset["id"]}],
    )
    there.publisher.create_listing_change_set(
        domainIdentifier=there.domain,
        entityIdentifier=product["id"],
        entityType="DATA_PRODUCT",
        action="PUBLISH",
    )
    listed = refusal(
        lambda: there.publisher.delete_data_product(
            domainIdentifier=there.domain, identifier=product["id"]
        )
    )
    assert (product["status"], listed) == ("CREATED", "ConflictException")


def test_a_data_source__imports_glue_tables_once(
    sandbox: AwsSandbox, there: DataZoneDomain
) -> None:
    glue = aws_of(sandbox).client("glue")
    glue.create_database(DatabaseInput={"Name": "imported"})
    for name in ("flights", "airports", "tmp_x"):
        columns = [{"Name": "code", "Type": "string"}]
        glue.create_table(
            DatabaseName="imported",
            TableInput={"Name": name, "StorageDescriptor": {"Columns": columns}},
        )
    choice = {
        "databaseName": "imported",
        "filterExpressions": [
            {"type": "INCLUDE", "expression": "*"},
            {"type": "EXCLUDE", "expression": "tmp_*"},
        ],
    }
    source = there.publisher.create_data_source(
        domainIdentifier=there.domain,
        projectIdentifier=there.publishing,
        name="glue",
        type="GLUE",
        configuration={"glueRunConfiguration": {"relationalFilterConfigurations": [choice]}},
        publishOnImport=True,
    )
    counts = []
    for _ in range(2):
        run = there.publisher.start_data_source_run(
            domainIdentifier=there.domain, dataSourceIdentifier=source["id"]
        )
        done = there.publisher.get_data_source_run(
            domainIdentifier=there.domain, identifier=run["id"]
        )
        counts.append((done["status"], done["runStatisticsForAssets"]))
    found = there.reader.search(
        domainIdentifier=there.domain, searchScope="ASSET", searchText="imported"
    )["items"]
    assert counts[0][1]["added"] == 2
    assert counts[1][1]["unchanged"] == 2
    assert sorted(one["assetItem"]["name"] for one in found) == ["airports", "flights"]
