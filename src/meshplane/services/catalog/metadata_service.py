"""Use cases: putting terms and filled forms on an asset.

Assets keep what is said, on the asset's own row; who may say it, and whether it fits the glossaries
and forms, is decided here.
"""

from collections.abc import Mapping, Sequence

from meshplane.boundary.call import Call
from meshplane.boundary.etags import expected_version
from meshplane.kit.errors import FieldProblem, Invalid, TooLarge
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.assets.api import (
    AssetMetadata,
    AssetsApi,
    AssetSummary,
    FilledForm,
    no_such_asset,
)
from meshplane.services.catalog.forms import field_of, value_problems
from meshplane.services.catalog.glossary_rows import ENABLED, itself
from meshplane.services.catalog.metadata_schemas import (
    AssetMetadataBody,
    AssetMetadataView,
    FilledFormBody,
    SaidFormView,
    SaidTermView,
)
from meshplane.services.catalog.store import (
    GLOSSARIES,
    GLOSSARY_TERMS,
    METADATA_FORM_REVISIONS,
    METADATA_FORMS,
)

_MOST_LETTERS = 100_000


class Sayings:
    """Says things of assets in the words of glossaries and forms.

    Args:
        assets: the service below.
    """

    def __init__(self, assets: AssetsApi) -> None:
        self._assets = assets

    async def get(self, call: Call, asset_id: str) -> AssetMetadataView:
        """What is said of an asset."""
        await self._allowed(call, asset_id)
        said = await self._assets.metadata(call.actor, asset_id)
        if said is None:
            raise no_such_asset()
        return _view(asset_id, said)

    async def put(
        self, call: Call, asset_id: str, if_match: str | None, body: AssetMetadataBody
    ) -> AssetMetadataView:
        """Says this of an asset, in place of what was said.

        Raises:
            Missing: ASSET_NOT_FOUND.
            Invalid: METADATA_INVALID; each offending term and value is named.
            Conflict: TERM_RETIRED, ASSET_REJECTED.
            Stale: STALE.
        """
        asset = await self._allowed(call, asset_id)
        version = expected_version(if_match)
        before = await self._assets.metadata(call.actor, asset_id)
        if before is None:
            raise no_such_asset()
        checks = _Checks(call, before)
        await checks.look_up_terms(body)
        columns = {name: tuple(terms) for name, terms in body.columns.items() if terms}
        checks.demand_columns(asset, columns)
        for position, term in enumerate(body.terms):
            checks.demand_term(term, f"terms.{position}")
        for name, terms in columns.items():
            for position, term in enumerate(terms):
                checks.demand_term(term, f"columns.{name}.{position}")
        forms = tuple(
            [await checks.filled(one, f"forms.{number}") for number, one in enumerate(body.forms)]
        )
        checks.demand_distinct(forms)
        if checks.problems:
            raise Invalid(
                "METADATA_INVALID",
                "This cannot be said of the asset.",
                fields=checks.problems,
            )
        _demand_small(forms)
        wanted = AssetMetadata(tuple(body.terms), columns, forms, checks.names)
        said = await self._assets.put_metadata(itself(call), asset_id, wanted, version)
        call.note(terms=sorted(said.names), forms=[one.form_id for one in forms])
        return _view(asset_id, said)

    async def _allowed(self, call: Call, asset_id: str) -> AssetSummary:
        asset = await self._assets.find(call.actor, asset_id)
        if asset is None:
            await call.allow(Resource("Asset", asset_id), hide=no_such_asset())
            raise no_such_asset()
        resource = Resource("Asset", asset.asset_id, asset.domain_id, asset.project_id)
        if not asset.is_published and not await call.judge.allows(
            call.actor, "seeUnpublishedAssets", resource
        ):
            await call.allow(Resource("Asset", asset_id), hide=no_such_asset())
            call.denied = True
            raise no_such_asset()
        await call.allow(resource)
        return asset


class _Checks:
    """What of a body does not fit, and the names of the terms that do.

    What stands on the asset already may stay: a disabled term, an older revision of a form.
    """

    def __init__(self, call: Call, before: AssetMetadata) -> None:
        self._call = call
        self._before = before
        self._rows: dict[str, Row] = {}
        self._open: dict[str, bool] = {}
        self.problems: list[FieldProblem] = []
        self.names: dict[str, str] = {}

    async def look_up_terms(self, body: AssetMetadataBody) -> None:
        """Reads all terms that a body may speak of, and whether their glossaries are enabled."""
        ids = {*body.terms, *(one for terms in body.columns.values() for one in terms)}
        ids |= {
            value
            for form in body.forms
            for value in form.values.values()
            if isinstance(value, str) and value.startswith("term-")
        }
        keys = [(one, "") for one in sorted(ids)]
        rows = await self._call.work.get_many(GLOSSARY_TERMS, keys)
        self._rows = {row.item["termId"]: row for row in rows}
        glossaries = sorted({row.item["glossaryId"] for row in rows})
        for row in await self._call.work.get_many(GLOSSARIES, [(one, "") for one in glossaries]):
            self._open[row.item["glossaryId"]] = row.item["status"] == ENABLED

    def demand_columns(self, asset: AssetSummary, columns: Mapping[str, Sequence[str]]) -> None:
        """Columns that the asset has."""
        known = {one.name for one in asset.columns}
        for name in columns:
            if name not in known:
                self.problems.append(FieldProblem(f"columns.{name}", "is no column of it"))

    def demand_term(self, term_id: str, place: str, glossary_id: str = "") -> None:
        """A term that may be put there: of that glossary, if one is named."""
        row = self._rows.get(term_id)
        if row is None:
            self.problems.append(FieldProblem(place, "is no term"))
            return
        item = row.item
        if glossary_id and item["glossaryId"] != glossary_id:
            self.problems.append(FieldProblem(place, "is no term of the form's glossary"))
        is_open = item["status"] == ENABLED and self._open.get(item["glossaryId"], False)
        if not is_open and term_id not in self._before.names:
            self.problems.append(FieldProblem(place, "is disabled: choose another term"))
        self.names[term_id] = item["name"]

    async def filled(self, body: FilledFormBody, place: str) -> FilledForm:
        """A form as it is to be kept; what is wrong with it is noted."""
        kept = next((one for one in self._before.forms if one.form_id == body.form_id), None)
        row = await self._call.work.get(METADATA_FORMS, body.form_id)
        if row is None:
            self.problems.append(FieldProblem(f"{place}.formId", "is no form"))
            return FilledForm(body.form_id, "", 0, {})
        latest = row.item["revision"]
        revision = latest if body.revision is None else body.revision
        if row.item["status"] != ENABLED and kept is None:
            self.problems.append(FieldProblem(f"{place}.formId", "is disabled: choose another"))
        if revision not in (latest, kept.revision if kept else latest):
            self.problems.append(
                FieldProblem(f"{place}.revision", f"is not the latest, which is {latest}")
            )
            return FilledForm(body.form_id, row.item["name"], revision, {})
        found = await self._call.work.get(METADATA_FORM_REVISIONS, body.form_id, revision)
        fields = [field_of(one) for one in (found.item if found else row.item)["fields"]]
        problems = value_problems(fields, body.values, f"{place}.values")
        self.problems += problems
        spoilt = {one.field for one in problems}
        terms = [one for one in fields if one.glossary_id and one.name in body.values]
        for field in terms:
            where = f"{place}.values.{field.name}"
            if where not in spoilt:
                self.demand_term(str(body.values[field.name]), where, field.glossary_id)
        return FilledForm(
            body.form_id,
            row.item["name"],
            revision,
            dict(body.values),
            tuple(one.name for one in terms),
        )

    def demand_distinct(self, forms: Sequence[FilledForm]) -> None:
        """Forms that are filled once."""
        seen: set[str] = set()
        for position, form in enumerate(forms):
            if form.form_id in seen:
                self.problems.append(FieldProblem(f"forms.{position}.formId", "is filled twice"))
            seen.add(form.form_id)


def _demand_small(forms: Sequence[FilledForm]) -> None:
    letters = sum(
        len(value) for form in forms for value in form.values.values() if isinstance(value, str)
    )
    if letters > _MOST_LETTERS:
        raise TooLarge(
            "METADATA_TOO_LARGE",
            f"The forms of an asset hold at most {_MOST_LETTERS:,} characters: say it shorter.",
            field="forms",
        )


def _view(asset_id: str, said: AssetMetadata) -> AssetMetadataView:
    def terms(ids: Sequence[str]) -> list[SaidTermView]:
        return [SaidTermView(term_id=one, name=said.names[one]) for one in ids]

    return AssetMetadataView(
        asset_id=asset_id,
        terms=terms(said.terms),
        columns={name: terms(ids) for name, ids in said.columns.items()},
        forms=[
            SaidFormView(
                form_id=one.form_id,
                name=one.name,
                revision=one.revision,
                values=dict(one.values),
                term_names={
                    name: said.names[str(one.values[name])]
                    for name in one.term_fields
                    if name in one.values
                },
            )
            for one in said.forms
        ],
        version=said.version,
    )
