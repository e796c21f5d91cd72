"""pip of an emulated node: its packages are fixed, so it checks what is asked for instead of installing.

Run by the node's own interpreter. What is missing or of another version fails, as a pip that finds no such
package does, with the way to have it: ``requirements/emr.in``.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

OPTIONS_WITH_VALUE = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "-t", "--target", "-c")
REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?\s*(?:==\s*([^\s;,]+))?$")


def requirements(words: list[str]) -> list[str]:
    """The requirements among the arguments of ``pip install``, those of ``-r`` files included."""
    found: list[str] = []
    remaining = iter(words)
    for word in remaining:
        if word in OPTIONS_WITH_VALUE:
            next(remaining, None)
        elif word in ("-r", "--requirement"):
            lines = Path(next(remaining)).read_text().splitlines()
            found += [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]
        elif not word.startswith("-"):
            found.append(word)
    return found


def missing(requirement: str) -> str | None:
    """Why a requirement is not met, None if it is."""
    match = REQUIREMENT.match(requirement)
    if match is None:
        return f"{requirement!r}: this node's pip understands names and name==version only"
    name, _, version = match.groups()
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"No matching distribution found for {requirement}: this node has no {name}"
    if version and installed != version:
        return f"No matching distribution found for {requirement}: this node has {name} {installed}"
    print(f"Requirement already satisfied: {name} ({installed})")
    return None


def main(arguments: list[str]) -> int:
    """Play one pip command; the exit status."""
    command, *words = arguments or ["help"]
    if command in ("list", "freeze"):
        for distribution in sorted(metadata.distributions(), key=lambda each: each.name.lower()):
            print(f"{distribution.name}=={distribution.version}")
        return 0
    if command == "--version":
        print("pip of local_aws, which checks and never installs")
        return 0
    if command != "install":
        print(f"ERROR: local_aws: pip {command} is not played on this node", file=sys.stderr)
        return 1
    problems = [problem for problem in map(missing, requirements(words)) if problem]
    for problem in problems:
        print(f"ERROR: {problem}. What a node has is set in requirements/emr.in.", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
