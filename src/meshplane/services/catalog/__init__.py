"""Catalog: the words in which a mesh speaks of its data, and finding data products by them.

A domain keeps glossaries of terms, and metadata forms to be filled for assets. Its owners and
stewards write them, everyone reads them. Names are unique: of a glossary and a form in their
domain, of a term in its glossary, whatever the case. Changed fields of a form are a new revision;
a form that was filled by an older one stays as it is. A term that something uses is not removed.

A search sees an asset from the moment in which it is published, and what is said of it from the
moment in which it is said: that stands on the asset's own row, where its text is indexed in the
same transaction. This service owns the tables Glossaries, GlossaryTerms, MetadataForms and
MetadataFormRevisions, with those of their names, relations and places in the portal.
"""
