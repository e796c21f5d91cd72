"""The EMR releases that can be played here: those that ship the installed Spark's line, 3.5.

https://docs.aws.amazon.com/emr/latest/ReleaseGuide/Spark-release-history.html
"""

from __future__ import annotations

from local_aws.emr import jvm
from local_aws.emr.exceptions import ValidationException
from local_aws.settings import settings

SPARK_LINE = "3.5"

# Release label: the Spark version that AWS ships with it, newest release first.
SPARK_VERSIONS = {
    "emr-7.13.0": "3.5.6",
    "emr-7.12.0": "3.5.6",
    "emr-7.11.0": "3.5.6",
    "emr-7.10.0": "3.5.5",
    "emr-7.9.0": "3.5.5",
    "emr-7.8.0": "3.5.4",
    "emr-7.7.0": "3.5.3",
    "emr-7.6.0": "3.5.3",
    "emr-7.5.0": "3.5.2",
    "emr-7.4.0": "3.5.2",
    "emr-7.3.0": "3.5.1",
    "emr-7.2.0": "3.5.1",
    "emr-7.1.0": "3.5.0",
    "emr-7.0.0": "3.5.0",
}

# What a cluster may list, with the version that really runs here. Hadoop is Spark's own client; nothing runs
# behind the names without a version.
APPLICATIONS = {
    "Spark": "3.5.8",
    "Livy": "0.7.1",
    "Hadoop": "3.3.4",
    "Hive": None,
    "JupyterEnterpriseGateway": None,
}


def versions() -> dict[str, str | None]:
    """``APPLICATIONS``, with the Livy that ``LIVY_HOME`` names."""
    return {**APPLICATIONS, **({"Livy": jvm.livy_version()} if settings.livy_home else {})}


def check(label: str) -> None:
    """Refuse a release whose Spark is not the installed one's line.

    :raises ValidationException: with the reason.
    """
    if label not in SPARK_VERSIONS:
        raise ValidationException(
            f"The supplied release label is invalid: {label}. local_aws runs Spark {APPLICATIONS['Spark']} "
            f"and so accepts the EMR releases that ship Spark {SPARK_LINE}: {', '.join(SPARK_VERSIONS)}."
        )


def applications(label: str) -> list[dict[str, str]]:
    """A release's applications, with the Spark version that AWS ships in it.

    :raises ValidationException: the release is not played here.
    """
    check(label)
    shipped = {**versions(), "Spark": SPARK_VERSIONS[label]}
    return [{"Name": name, "Version": version} for name, version in shipped.items() if version]


def labels(prefix: str = "", application: str = "") -> list[str]:
    """Release labels as ListReleaseLabels filters them: by prefix, and by ``name`` or ``name@version``."""
    name, _, version = application.lower().partition("@")
    return [
        label
        for label in SPARK_VERSIONS
        if label.startswith(prefix)
        and (
            not name
            or any(
                app["Name"].lower() == name and app["Version"].startswith(version)
                for app in applications(label)
            )
        )
    ]
