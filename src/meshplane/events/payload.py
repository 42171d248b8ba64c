"""What all event payloads share."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from meshplane.platform.events import NewEvent


class Payload(BaseModel):
    """The detail of one type of event. The class name is the event's type.

    `source` is EventBridge's source; `entity_field` names the field that says what it happened to.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, defer_build=True
    )

    source: ClassVar[str]
    entity_field: ClassVar[str]

    def event(self) -> NewEvent:
        """The event, ready for the outbox."""
        return NewEvent(
            type(self).__name__,
            self.source,
            str(getattr(self, self.entity_field)),
            self.model_dump(mode="json", by_alias=True),
        )
