"""What the documentation's pages are made from: the code, and texts that are drawn."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from docs.site import forms, links, pictures, symptoms, templates, texts

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = sorted(pictures.SOURCES.glob("*.txt"))
READABLE = 4.5
"""The least contrast of text: https://www.w3.org/TR/WCAG22/#contrast-minimum."""


def section(page: str, title: str) -> str:
    """A page's part below a heading."""
    return page[page.index(f"## {title}\n") :].split("\n## ")[0]


def test_every_check_is_told_with_its_symptom_a_cause_and_a_fix() -> None:
    from sagemaker_emr.checks.registry import registered

    read = {check.name: check for check in texts.checks()}
    assert {name: (one.title, one.symptom) for name, one in read.items()} == {
        check.name: (check.title, check.symptom) for check in registered()
    }
    assert [name for name, one in read.items() if not one.fixes] == []


def test_the_symptoms_begin_with_the_one_that_most_people_come_with() -> None:
    page = symptoms.checks_page()
    assert page.startswith("## Cannot connect to livy service: ip-…:8998\n")
    assert "`aws ec2 authorize-security-group-ingress --group-id MASTER_ID --protocol tcp --port 8998" in page


def test_an_error_is_told_as_it_is_raised() -> None:
    from sagemaker_emr.exceptions import InvalidInput
    from sagemaker_emr.partitions import partition_of

    with pytest.raises(InvalidInput) as caught:
        partition_of("us-isob-east-1")
    (told,) = [
        message
        for error in texts.errors()
        for message in error.messages
        if error.name == "InvalidInput" and message.reason.startswith("partition NAME")
    ]
    assert re.fullmatch(re.sub(r"\b[A-Z]{4,}\b", ".+", told.what), caught.value.what)


def test_every_class_of_errors_says_whether_airflow_tries_again() -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from sagemaker_emr import exceptions

    read = {error.name: error.retried for error in texts.errors()}
    assert len(read) > 15
    for name, retried in read.items():
        assert retried is not issubclass(getattr(exceptions, name), AirflowFailException), name


@pytest.fixture(scope="module")
def dags() -> Any:
    return forms.load()


def test_every_field_of_every_form_is_told(dags: Any) -> None:
    page = forms.page(dags)
    for dag_id, dag in dags.items():
        told = re.findall(r"^\| [^|]*\| [^|]*<br>`(\w+)` \|", section(page, dag_id), re.MULTILINE)
        assert told == list(dag.params), dag_id


def test_every_dag_says_when_it_starts(dags: Any) -> None:
    page = forms.page(dags)
    by_itself = {dag_id for dag_id in dags if "Starts: by itself" in section(page, dag_id)}
    assert by_itself == {dag_id for dag_id, dag in dags.items() if dag.schedule is not None}


@pytest.mark.parametrize("template", sorted(templates.TEMPLATES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_parameter_and_output_of_a_template_is_told(template: Path) -> None:
    document = cfn_yaml.load(str(template))
    told = section(templates.page(), template.name)
    for name, one in [*document["Parameters"].items(), *document.get("Outputs", {}).items()]:
        rows = [line for line in told.splitlines() if line.startswith(f"| `{name}` ")]
        assert any(" ".join(one["Description"].split()[:2]) in row for row in rows), name


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_picture_is_what_its_source_draws(source: Path) -> None:
    drawn = pictures.draw(pictures.read(source.read_text()))
    assert (pictures.PICTURES / f"{source.stem}.svg").read_text() == drawn, "python -m docs.site.pictures"


def test_every_picture_has_a_source() -> None:
    assert sorted(path.stem for path in pictures.PICTURES.iterdir()) == [path.stem for path in SOURCES]


@pytest.mark.parametrize("colours", [pictures.LIGHT, pictures.DARK], ids=["light", "dark"])
def test_a_picture_can_be_read(colours: dict[str, str]) -> None:
    for text, ground in (("text", "page"), ("text", "box"), ("frame", "page"), ("line", "page")):
        assert contrast(colours[text], colours[ground]) >= READABLE, (text, ground)


def contrast(one: str, other: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('box a 0 0 "longer than any box that could be drawn here"', "too long"),
        ("box a 0", "not enough values"),
        ("arrow a b", "no box is called a"),
        ("circle a", "nothing that can be drawn"),
    ],
)
def test_a_source_that_can_not_be_drawn_names_the_line(line: str, reason: str) -> None:
    with pytest.raises(pictures.PictureError, match=reason) as caught:
        pictures.read(f"title: x\n{line}\n")
    assert line.split()[0] in str(caught.value)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(
        '<a href="a/b.html#there">x</a><a href="#top">x</a><i id="top"></i><a href="https://aws.amazon.com">x</a>'
        '<img src="p.svg" alt="what it shows">'
    )
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.html").write_text(
        '<p id="there"><a href="../index.html">x</a><a href="..">x</a></p>'
    )
    (tmp_path / "p.svg").write_text("<svg/>")
    return tmp_path


def test_links_that_lead_somewhere_pass(site: Path) -> None:
    assert list(links.problems(site)) == []


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ('<a href="a/c.html">x</a>', "no such file"),
        ('<a href="a/b.html#gone">x</a>', "no such anchor"),
        ('<a href="#gone">x</a>', "no such anchor"),
        ('<img src="gone.svg" alt="x">', "no such file"),
        ('<img src="p.svg" alt="">', "no text in its place"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(site: Path, html: str, reason: str) -> None:
    (site / "other.html").write_text(html)
    (found,) = links.problems(site)
    assert found.startswith("other.html: ")
    assert reason in found


def test_the_links_of_the_readme_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", (PROJECT / "README.md").read_text())
    assert len(targets) > 5
    assert [target for target in targets if not (PROJECT / target).exists()] == []
