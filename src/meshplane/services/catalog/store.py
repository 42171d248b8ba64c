"""The tables of the catalog service."""

from meshplane.boundary.mending import mending_table
from meshplane.boundary.portal_links import portal_table
from meshplane.platform.tables import Index, Table

ALL = "all"
"""The one partition of the indexes that list everything by name."""

GUARD = "-"
"""The sort key of a term's guard among its relations; those of terms begin with `term-`."""

REMOVAL = "removal"
"""The sort key of the note, among a term's relations, that the term is being removed."""

_BY_NAME = (Index("byName", "listing", "nameKey"), Index("byDomain", "domainId", "nameKey"))

GLOSSARIES = Table("Glossaries", "glossaryId", indexes=_BY_NAME)
GLOSSARY_NAMES = Table("GlossaryNames", "domainId", "nameKey")
GLOSSARY_TERMS = Table(
    "GlossaryTerms", "termId", indexes=(Index("byGlossary", "glossaryId", "nameKey"),)
)
GLOSSARY_TERM_NAMES = Table("GlossaryTermNames", "glossaryId", "nameKey")
GLOSSARY_TERM_RELATIONS = Table("GlossaryTermRelations", "toTermId", "fromTermId")
"""Which terms name a term as related; and a row a term, `GUARD`, that both who relates something to
it and who removes it write, so that only one of them can. The guard of `GUARD` is of all terms: who
gives a term broader ones writes it, so that no two close a circle."""
GLOSSARY_PORTAL_LINKS = portal_table("GlossaryPortalLinks")
TERM_PORTAL_LINKS = portal_table("GlossaryTermPortalLinks")

METADATA_FORMS = Table("MetadataForms", "formId", indexes=_BY_NAME)
METADATA_FORM_NAMES = Table("MetadataFormNames", "domainId", "nameKey")
METADATA_FORM_REVISIONS = Table(
    "MetadataFormRevisions", "formId", "revision", numbers=("revision",)
)
FORM_PORTAL_LINKS = portal_table("MetadataFormPortalLinks")

PORTAL_RECONCILIATIONS = mending_table("PortalReconciliations")

TABLES: tuple[Table, ...] = (
    GLOSSARIES,
    GLOSSARY_NAMES,
    GLOSSARY_TERMS,
    GLOSSARY_TERM_NAMES,
    GLOSSARY_TERM_RELATIONS,
    GLOSSARY_PORTAL_LINKS,
    TERM_PORTAL_LINKS,
    METADATA_FORMS,
    METADATA_FORM_NAMES,
    METADATA_FORM_REVISIONS,
    FORM_PORTAL_LINKS,
    PORTAL_RECONCILIATIONS,
)


def name_key(name: str) -> str:
    """What two names that people would take for one have in common."""
    return name.casefold()
