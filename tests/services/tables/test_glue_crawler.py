"""Crawlers of Glue: joined, refused, governed by Lake Formation, and where calls fail."""

import asyncio
import itertools
import json
from collections.abc import Iterator

import pytest

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.names import (
    CRAWL_ROLE,
    crawl_database,
    domain_bucket,
    project_crawler,
    role_arn,
    role_name,
)
from meshplane.run.aws_roles import POLICY, roles_of
from meshplane.sandbox.faults import KINDS, Fault
from meshplane.sandbox.iam_policy import Asked, decide
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.tables.aws_crawl_rights import CrawlRights
from meshplane.services.tables.crawl_ports import CrawlBegun, Crawled, ToCrawl
from tests.builders.aws_sandbox import aws_of, govern_lake, sandbox_in
from tests.builders.lakes import ELSEWHERE
from tests.builders.raw_areas import RawPlace, csv, parquet, s3_area

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def running() -> Iterator[AwsSandbox]:
    """A sandbox whose lake Lake Formation governs, with the role that `aws prepare` makes."""
    with sandbox_in() as sandbox:
        aws = aws_of(sandbox)
        govern_lake(aws)
        (role,) = roles_of("tables", aws.place)
        name = role_name(aws.place, role.name)
        trust = json.dumps(role.trust(aws.place.account))
        aws.run("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=trust)
        aws.run(
            "iam",
            "put_role_policy",
            RoleName=name,
            PolicyName=POLICY,
            PolicyDocument=json.dumps(role.policy()),
        )
        yield sandbox


def new_area(aws: Aws, *, governed: bool = True) -> RawPlace:
    """A raw area in a bucket that Lake Formation governs, with two tables in it."""
    number = next(_numbers)
    bucket = domain_bucket(aws.place, f"air-{number}")
    aws.run("s3", "create_bucket", Bucket=bucket, **ELSEWHERE)
    arn = f"arn:aws:s3:::{bucket}"
    aws.run("lakeformation", "register_resource", ResourceArn=arn, UseServiceLinkedRole=True)
    rights = CrawlRights(aws, role_arn(aws.place, CRAWL_ROLE)) if governed else None
    place = s3_area(aws, bucket, f"proj-{number}", rights=rights)
    place.put("sales/a.parquet", parquet({"id": [1, 2]}))
    place.put("airports/a.csv", csv("code,feet", "JFK,13"))
    return place


async def crawl_in_spite(place: RawPlace) -> Crawled:
    """A crawl as the queue carries it on: each step is taken again until it succeeds."""
    asked, begun = place.asked(), None
    for _ in range(300):
        try:
            if begun is None:
                found: CrawlBegun | Crawled | None = await place.crawler.begin(asked)
            else:
                found = await place.crawler.look(asked, begun)
        except Unavailable:
            continue
        if isinstance(found, Crawled):
            return found
        begun = found or begun
        await asyncio.sleep(0.005)
    raise AssertionError("the crawl does not end")


async def ended(place: RawPlace, asked: ToCrawl, begun: CrawlBegun) -> Crawled:
    """What came of a crawl that was begun."""
    for _ in range(300):
        found = await place.crawler.look(asked, begun)
        if isinstance(found, Crawled):
            return found
        begun = found or begun
    raise AssertionError("the crawl does not end")


async def crawled_by_glue(place: RawPlace) -> tuple[ToCrawl, CrawlBegun]:
    """A crawl that has run, and whose outcome nobody has looked at."""
    asked = place.asked()
    begun = await place.crawler.begin(asked)
    assert isinstance(begun, CrawlBegun)
    assert await place.crawler.look(asked, begun) is None
    assert place.aws is not None
    name = project_crawler(place.aws.place, place.project_id)
    while place.aws.run("glue", "get_crawler", Name=name)["Crawler"]["State"] != "READY":
        continue
    return asked, begun


def crawls(running: AwsSandbox, place: RawPlace) -> int:
    """How many crawls of a project have been started."""
    assert place.aws is not None
    name = project_crawler(place.aws.place, place.project_id)
    carried_out = ("ok", "lost_answer")
    return sum(
        call.operation == "StartCrawler"
        and call.parameters.get("Name") == name
        and call.outcome in carried_out
        for call in running.calls.all()
    )


async def test_crawl__in_a_governed_lake_needs_rights_that_it_is_given(
    running: AwsSandbox,
) -> None:
    aws = aws_of(running)
    allowed, closed = new_area(aws), new_area(aws, governed=False)
    assert [table.name for table in (await allowed.crawl()).tables] == ["airports", "sales"]
    with pytest.raises(Unavailable) as refused:
        await closed.crawl()
    assert refused.value.code == "CRAWL_FAILED"
    assert "/aws-glue/crawlers" in refused.value.message


async def test_crawl__of_a_bucket_that_lake_formation_does_not_know_yet_is_tried_again(
    running: AwsSandbox,
) -> None:
    aws = aws_of(running)
    place = new_area(aws)
    running.faults.add(
        Fault("lakeformation", "GrantPermissions", "error", code="EntityNotFoundException")
    )
    with pytest.raises(Unavailable) as early:
        await place.crawl()
    assert early.value.code == "LAKE_UNAVAILABLE"
    assert len((await place.crawl()).tables) == 2


def test_role_of_crawlers__reads_raw_areas_and_nothing_else(running: AwsSandbox) -> None:
    place = aws_of(running).place
    (role,) = roles_of("tables", place)
    policies = [json.dumps(role.policy())]
    bucket = domain_bucket(place, "air")

    def reads(key: str, of: str = bucket) -> bool | None:
        return decide(policies, Asked("s3:GetObject", f"arn:aws:s3:::{of}/{key}"))

    assert reads("projects/proj-1/raw/sales/a.csv") is True
    assert reads("sales-tbl-1/data/x.parquet") is None
    assert reads("projects/proj-1/processed/a.csv") is None
    assert reads("projects/proj-1/raw/a.csv", of="somebody-elses") is None
    glue = f"arn:aws:glue:{place.region}:{place.account}:table"
    assert decide(policies, Asked("glue:UpdateTable", f"{glue}/{crawl_database(place)}/x")) is True
    assert decide(policies, Asked("glue:UpdateTable", f"{glue}/air/sales")) is None


async def test_crawl__that_somebody_starts_once_it_is_ready_is_as_good_as_its_own(
    running: AwsSandbox,
) -> None:
    aws = aws_of(running)
    place = new_area(aws)
    asked = place.asked()
    begun = await place.crawler.begin(asked)
    assert isinstance(begun, CrawlBegun)
    assert await place.crawler.begin(asked) == begun
    aws.run("glue", "start_crawler", Name=project_crawler(aws.place, place.project_id))
    running.faults.add(Fault("glue", "GetCrawler", "throttle"))
    found = await ended(place, asked, begun)
    assert len(found.tables) == 2
    assert crawls(running, place) == 1


@pytest.mark.parametrize("other", [False, True], ids=["same-files", "other-files"])
async def test_crawler__that_runs_already_is_waited_for_and_then_started_again(
    running: AwsSandbox, other: bool
) -> None:
    aws = aws_of(running)
    place = new_area(aws)
    name = project_crawler(aws.place, place.project_id)
    await place.crawl("sales" if other else "")
    aws.run("glue", "start_crawler", Name=name)
    with pytest.raises(Unavailable) as busy:
        await place.crawler.begin(place.asked())
    assert busy.value.code == "CRAWLER_BUSY"
    assert name in busy.value.message
    place.put("late/a.csv", csv("id,n", "1,2"))
    found = await crawl_in_spite(place)
    assert [(table.name, table.problem) for table in found.tables] == [
        ("airports", ""),
        ("late", ""),
        ("sales", ""),
    ]
    assert crawls(running, place) == 3


async def test_crawler__that_others_turn_to_other_files_meanwhile_crawls_ours_once_more(
    running: AwsSandbox,
) -> None:
    aws = aws_of(running)
    place = new_area(aws)
    asked = place.asked()
    begun = await place.crawler.begin(asked)
    assert isinstance(begun, CrawlBegun)
    name = project_crawler(aws.place, place.project_id)
    target = f"s3://{place.area.bucket}/{place.area.folder}sales/"
    aws.run("glue", "update_crawler", Name=name, Targets={"S3Targets": [{"Path": target}]})
    aws.run("glue", "start_crawler", Name=name)
    found = await ended(place, asked, begun)
    assert [table.name for table in found.tables] == ["airports", "sales"]
    assert crawls(running, place) == 2


async def test_crawl__of_another_path_waits_for_the_one_that_runs(running: AwsSandbox) -> None:
    place = new_area(aws_of(running))
    asked = place.asked()
    begun = await place.crawler.begin(asked)
    assert isinstance(begun, CrawlBegun)
    assert await place.crawler.look(asked, begun) is None
    with pytest.raises(Unavailable) as busy:
        await place.crawler.begin(place.asked("sales"))
    assert busy.value.code == "CRAWLER_BUSY"
    await ended(place, asked, begun)
    assert [one.location for one in (await place.crawl("sales")).tables] == ["sales"]


async def test_crawler__that_is_deleted_meanwhile_is_told(running: AwsSandbox) -> None:
    aws = aws_of(running)
    place = new_area(aws)
    asked = place.asked()
    begun = await place.crawler.begin(asked)
    assert isinstance(begun, CrawlBegun)
    aws.run("glue", "delete_crawler", Name=project_crawler(aws.place, place.project_id))
    with pytest.raises(Unavailable) as gone:
        await place.crawler.look(asked, begun)
    assert gone.value.code == "CRAWL_FAILED"
    assert f"The crawler {project_crawler(aws.place, place.project_id)}" in gone.value.message
    assert len((await place.crawl()).tables) == 2


@pytest.mark.parametrize("has_run", [False, True], ids=["before-it-ran", "after-it-ran"])
async def test_database__that_is_deleted_meanwhile_is_told_and_made_anew_by_the_next_crawl(
    running: AwsSandbox, has_run: bool
) -> None:
    aws = aws_of(running)
    place = new_area(aws)
    if has_run:
        asked, begun = await crawled_by_glue(place)
    else:
        asked = place.asked()
        made = await place.crawler.begin(asked)
        assert isinstance(made, CrawlBegun)
        begun = made
    aws.run("glue", "delete_database", Name=crawl_database(aws.place))
    with pytest.raises(Unavailable) as gone:
        await ended(place, asked, begun)
    assert gone.value.code == "CRAWL_FAILED"
    assert f"The database {crawl_database(aws.place)} was deleted" in gone.value.message
    assert "Start another one." in gone.value.message
    found = (await place.crawl()).tables
    assert [(one.name, one.problem) for one in found] == [("airports", ""), ("sales", "")]


async def test_table_in_glue__that_is_deleted_meanwhile_is_told_beside_those_that_are_there(
    running: AwsSandbox,
) -> None:
    aws = aws_of(running)
    place = new_area(aws)
    asked, begun = await crawled_by_glue(place)
    database = crawl_database(aws.place)
    (sales,) = [
        table["Name"]
        for table in aws.run("glue", "get_tables", DatabaseName=database)["TableList"]
        if table["StorageDescriptor"]["Location"].endswith(f"{place.area.folder}sales/")
    ]
    aws.run("glue", "delete_table", DatabaseName=database, Name=sales)
    airports, sales = (await ended(place, asked, begun)).tables
    assert (airports.problem, bool(airports.columns), sales.columns) == ("", True, ())
    assert sales.problem.startswith(f"Glue's database {database} has no table of it")
    assert "Crawl again" in sales.problem
    assert [one.problem for one in (await place.crawl()).tables] == ["", ""]


async def test_files_that_are_archived__are_told_beside_those_that_can_be_read(
    running: AwsSandbox,
) -> None:
    aws = aws_of(running)
    place = new_area(aws)
    for path, kind in (
        ("old/a.csv", "GLACIER"),
        ("b.csv", "DEEP_ARCHIVE"),
        ("at/a.csv", "GLACIER_IR"),
    ):
        aws.run(
            "s3",
            "put_object",
            Bucket=place.area.bucket,
            Key=f"{place.area.folder}{path}",
            Body=csv("id,n", "1,2"),
            StorageClass=kind,
        )
    problems = {one.location: one.problem for one in (await place.crawl()).tables}
    readable = {"airports": "", "at": "", "sales": ""}
    assert {name: problem for name, problem in problems.items() if not problem} == readable
    assert problems["old"].startswith("old/a.csv is archived (S3 Glacier): restore it")
    assert problems["b.csv"].startswith("b.csv is archived (S3 Glacier): restore it")


async def test_crawler__is_made_and_changed_to_read_with_its_role_alone(
    running: AwsSandbox,
) -> None:
    place = new_area(aws_of(running))
    await place.crawl()
    await place.crawl("sales")
    said = [
        (call.operation, call.parameters["LakeFormationConfiguration"])
        for call in running.calls.all()
        if call.operation in ("CreateCrawler", "UpdateCrawler")
        and call.parameters["Name"].endswith(place.project_id)
    ]
    own = {"UseLakeFormationCredentials": False}
    assert said == [("CreateCrawler", own), ("UpdateCrawler", own)]


@pytest.mark.parametrize(
    ("service", "kind"),
    [*(("glue", kind) for kind in KINDS), ("lakeformation", "lost_answer"), ("s3", "error")],
)
async def test_every_call_that_fails__leaves_a_crawl_that_ends_and_was_made_once(
    running: AwsSandbox, service: str, kind: str
) -> None:
    quick = aws_of(running, read_seconds=1.0, most_attempts=1)
    for nth in itertools.count(1):
        place = new_area(aws_of(running))
        place = s3_area(
            quick,
            place.area.bucket,
            place.project_id,
            rights=CrawlRights(quick, role_arn(quick.place, CRAWL_ROLE)),
        )
        number = running.faults.add(Fault(service, None, kind, nth=nth))  # type: ignore[arg-type]
        crawled = await crawl_in_spite(place)
        came = not running.faults.remove(number)
        assert [(one.name, one.problem) for one in crawled.tables] == [
            ("airports", ""),
            ("sales", ""),
        ]
        assert crawls(running, place) == 1, (service, kind, nth)
        if not came:
            break
    assert nth > {"glue": 6, "lakeformation": 2, "s3": 2}[service]
