"""What a wish must be before anybody is asked to fulfil it. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from meshplane.kit.errors import Invalid
from meshplane.platform.templates.checking import checked
from meshplane.platform.templates.resource_names import check_names
from meshplane.services.blueprints.ports import Wish

_TAG_KEY, _TAG_VALUE, _MOST_TAGS = 127, 255, 50
_NAME = re.compile(r"[A-Za-z][-A-Za-z0-9]{0,127}")


def accepted(wish: Wish) -> dict[str, Any]:
    """The sections of a wish's template, if the wish can be fulfilled as far as it tells itself.

    Args:
        wish: what a stack shall hold.

    Raises:
        Invalid: STACK_NAME_INVALID, STACK_TAGS_INVALID, TEMPLATE_INVALID, PARAMETERS_INVALID,
            CAPABILITY_MISSING, CAPABILITY_NOT_NEEDED; TEMPLATE_NAMES_INVALID, of one that is made
            as a role, which makes what bears the stack's name.
        TooLarge: TEMPLATE_TOO_LARGE.
    """
    if not _NAME.fullmatch(wish.stack):
        raise Invalid(
            "STACK_NAME_INVALID",
            "The name of a stack has up to 128 letters, digits and hyphens, a letter first.",
            field="stack",
        )
    _check_tags(wish.tags)
    document = checked(wish.template, wish.parameters, wish.capabilities)
    if wish.role_arn is not None:
        check_names(document, wish.stack, wish.parameters)
    return document


def plan_name(wish: Wish) -> str:
    """The name of the change set for a wish: the same for the same wish of the same deployment."""
    said = json.dumps(
        [
            wish.deployment_id,
            wish.stack,
            wish.template,
            sorted(wish.parameters.items()),
            sorted(wish.capabilities),
            sorted(wish.tags.items()),
            wish.role_arn,
        ]
    )
    return f"meshplane-{hashlib.sha256(said.encode()).hexdigest()[:40]}"


def _check_tags(tags: Mapping[str, str]) -> None:
    fit = all(
        0 < len(key) <= _TAG_KEY and not key.startswith("aws:") and 0 < len(value) <= _TAG_VALUE
        for key, value in tags.items()
    )
    if not fit or len(tags) > _MOST_TAGS:
        raise Invalid(
            "STACK_TAGS_INVALID",
            f"A stack has up to {_MOST_TAGS} tags, with keys of up to {_TAG_KEY} characters that "
            f"do not begin with aws:, and values of up to {_TAG_VALUE}.",
            field="tags",
        )
