"""Text fields of our forms whose rule is a pattern: the rule in words too, where it is read."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param


def text_field(*default: str, pattern: str, allowed: str, description: str = "", **schema: Any) -> Param:
    """A field for text of a form.

    Airflow refuses what does not match with the pattern and the schema, and without the description: so
    ``allowed`` is in the schema beside the pattern, a keyword that JSON Schema ignores.

    :param default: none, for a field that must be filled in.
    :param pattern: a regular expression. End it with ``(?!\\n)$``: ``$`` alone lets a line feed pass.
    :param allowed: the pattern's rule as a sentence.
    :param description: what the field is for; the rule is added to it.
    :param schema: the others of ``Param``; ``examples`` among them.
    """
    if default:
        schema["default"] = default[0]
    told = f"{description} {allowed}".strip()
    return Param(description=told, type="string", pattern=pattern, allowed=allowed, **schema)
