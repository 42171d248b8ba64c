"""What moto's Glue lacks or answers too easily: Data Quality, Iceberg's metadata, crawls, search.

What flows where: an operation with a handler here comes here, every other of Glue goes to moto, and
both work on moto's state. `catalogue` has databases and tables, `iceberg_format` the metadata files
that Glue writes, `crawlers` what crawls find. `rulesets` keeps rulesets and runs; `dqdl` parses,
`evaluation` decides with `measures`, `rows_fit`, `typed` and `several`. It knows nothing of the
product's own DQDL, so that comparing the two means something.
"""

from collections.abc import Mapping

from meshplane.sandbox.fake import Handler, World
from meshplane.sandbox.glue_quality.catalogue import Catalogue
from meshplane.sandbox.glue_quality.crawlers import Crawlers
from meshplane.sandbox.glue_quality.rulesets import Rulesets


class GlueQualityFake:
    """Glue of all accounts, beside moto's.

    Args:
        world: what fakes share.
    """

    service = "glue"

    def __init__(self, world: World) -> None:
        self.rulesets = Rulesets(world)
        self.crawlers = Crawlers(world)
        self.handlers: Mapping[str, Handler] = {
            **Catalogue(world).handlers,
            **self.crawlers.handlers,
            **self.rulesets.handlers,
        }
        world.services[self.service] = self


__all__ = ["GlueQualityFake"]
