"""Glossaries and their terms."""

from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.datazone.projects import WRITERS
from meshplane.sandbox.datazone.state import Act, Item, conflict


class Glossaries:
    """Glossaries of projects, and terms."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "CreateGlossary": self.create,
            "GetGlossary": self.get,
            "UpdateGlossary": self.update,
            "DeleteGlossary": self.delete,
            "CreateGlossaryTerm": self.create_term,
            "GetGlossaryTerm": self.get_term,
            "UpdateGlossaryTerm": self.update_term,
            "DeleteGlossaryTerm": self.delete_term,
        }

    def create(self, act: Act, given: dict[str, Any]) -> Item:
        """A glossary of a project."""
        project = given["owningProjectIdentifier"]
        act.domain.find("project", "Project", project)
        act.demand(project, *WRITERS)
        for one in act.domain.shelf("glossary").all():
            if (one["owningProjectId"], one["name"]) == (project, given["name"]):
                raise conflict(f"The project has a glossary {given['name']}.")
        glossary = {
            **act.made(),
            "id": act.state.new_id(),
            "name": given["name"],
            "owningProjectId": project,
            "description": given.get("description"),
            "status": given.get("status", "DISABLED"),
            "usageRestrictions": given.get("usageRestrictions"),
        }
        return act.domain.shelf("glossary").put(glossary["id"], glossary)

    def get(self, act: Act, given: dict[str, Any]) -> Item:
        """A glossary by id."""
        return act.domain.find("glossary", "Glossary", given["identifier"])

    def update(self, act: Act, given: dict[str, Any]) -> Item:
        """Changes name, description or status."""
        known = self.get(act, given)
        act.demand(known["owningProjectId"], *WRITERS)
        names = ("name", "description", "status")
        changes = {name: given[name] for name in names if name in given}
        return act.domain.shelf("glossary").change(known["id"], **changes, **act.changed())

    def delete(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes a glossary away that is disabled and empty."""
        known = self.get(act, given)
        act.demand(known["owningProjectId"], *WRITERS)
        terms = [one for one in act.domain.shelf("term").all() if one["glossaryId"] == known["id"]]
        if known["status"] == "ENABLED" or terms:
            raise conflict(f"Glossary {known['id']} is enabled or has terms.")
        act.domain.shelf("glossary").remove(known["id"])
        return {}

    def create_term(self, act: Act, given: dict[str, Any]) -> Item:
        """A term of a glossary."""
        glossary = act.domain.find("glossary", "Glossary", given["glossaryIdentifier"])
        act.demand(glossary["owningProjectId"], *WRITERS)
        self._demand_free(act, glossary["id"], given["name"])
        self._demand_related(act, given)
        names = ("name", "shortDescription", "longDescription", "termRelations")
        term = {
            **act.made(),
            **{name: given.get(name) for name in names},
            "id": act.state.new_id(),
            "glossaryId": glossary["id"],
            "owningProjectId": glossary["owningProjectId"],
            "status": given.get("status", "DISABLED"),
            "usageRestrictions": glossary.get("usageRestrictions"),
        }
        return act.domain.shelf("term").put(term["id"], term)

    def get_term(self, act: Act, given: dict[str, Any]) -> Item:
        """A term by id."""
        return act.domain.find("term", "Glossary term", given["identifier"])

    def update_term(self, act: Act, given: dict[str, Any]) -> Item:
        """Changes a term."""
        known = self.get_term(act, given)
        act.demand(known["owningProjectId"], *WRITERS)
        names = ("name", "shortDescription", "longDescription", "termRelations", "status")
        changes = {name: given[name] for name in names if name in given}
        if changes.get("name", known["name"]) != known["name"]:
            self._demand_free(act, known["glossaryId"], changes["name"])
        self._demand_related(act, given)
        return act.domain.shelf("term").change(known["id"], **changes, **act.changed())

    def delete_term(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes a term away that is disabled and on nothing."""
        known = self.get_term(act, given)
        act.demand(known["owningProjectId"], *WRITERS)
        used = [
            one
            for one in act.domain.shelf("asset").all()
            if known["id"] in (one.get("glossaryTerms") or [])
        ]
        if known["status"] == "ENABLED" or used:
            raise conflict(f"Glossary term {known['id']} is enabled or in use.")
        act.domain.shelf("term").remove(known["id"])
        return {}

    def _demand_free(self, act: Act, glossary_id: str, name: str) -> None:
        for one in act.domain.shelf("term").all():
            if (one["glossaryId"], one["name"]) == (glossary_id, name):
                raise conflict(f"The glossary has a term {name}.")

    def _demand_related(self, act: Act, given: Item) -> None:
        for related in (given.get("termRelations") or {}).values():
            for identifier in related:
                act.domain.find("term", "Glossary term", identifier)
