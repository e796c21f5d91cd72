"""What is told, through the notifiers of Airflow's own providers, to a real mail server and a real topic."""

from __future__ import annotations

import json
import socketserver
import threading
from email import message_from_bytes
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG

from sagemaker_emr import notifications
from sagemaker_emr.exceptions import BudgetExceeded, ClusterFailed, InvalidInput

SMTP = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
SNS = "airflow.providers.amazon.aws.notifications.sns.SnsNotifier"
CONTEXT = {"run_id": "manual__2013-02-14", "reason": "task_failure"}


class Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs to hand over a mail (RFC 5321)."""

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline().strip():
            if line.upper() == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(message_from_bytes(b"".join(lines)))
            elif line.upper() == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 fine\r\n")


@pytest.fixture
def mails(monkeypatch):
    """The mails that arrive, with the environment naming the mail notifier."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server:
        server.mails = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        connection = {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": port,
            "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        monkeypatch.setenv(notifications.NOTIFIER, SMTP)
        monkeypatch.setenv(notifications.KWARGS, '{"to": "team@example.com"}')
        yield server.mails
        server.shutdown()


@pytest.fixture
def context():
    return {**CONTEXT, "dag": DAG("train_and_deploy_model", schedule=None)}


def body_of(mail):
    return "".join(part.get_payload(decode=True).decode() for part in mail.walk() if not part.is_multipart())


def test_a_failed_run_is_told_by_mail_with_its_name(mails, context):
    notifications.run_failed({**context, "ti": SimpleNamespace(dag_id="train_and_deploy_model")})
    [mail] = mails
    assert (mail["Subject"], mail["To"]) == ("Run failed", "team@example.com")
    told = body_of(mail)
    assert "task_failure" in told
    assert "/dags/train_and_deploy_model/runs/manual__2013-02-14" in told


def test_a_budget_that_is_passed_is_told_with_its_sums_and_no_other_failure_of_a_task(mails, context):
    notifications.budget_passed({**context, "exception": ClusterFailed("Cluster j-1 is TERMINATED")})
    notifications.budget_passed({**context, "exception": BudgetExceeded("Too dear", reason="spent 4.90")})
    [mail] = mails
    assert mail["Subject"] == "Budget passed"
    assert "spent 4.90" in body_of(mail)


def test_an_approval_that_is_wanted_is_told_with_its_question(mails, context):
    task = SimpleNamespace(subject="Replace the domain?", body="- Domain")
    notifications.approval_wanted({**context, "task": task})
    [mail] = mails
    assert mail["Subject"] == "Approval wanted"
    assert "Replace the domain?" in body_of(mail)


def test_what_names_say_is_text_and_no_markup_or_template(mails, context):
    notifications.tell("Orphan found", "<script>alert(1)</script> {{ 7 * 7 }}", context)
    [mail] = mails
    assert "&lt;script&gt;" in body_of(mail)
    assert "<script>" not in body_of(mail)
    assert "{{ 7 * 7 }}" in body_of(mail)


def test_one_after_another_says_what_each_is_about(mails, context):
    for event in ("first", "second"):
        notifications.tell(event, "x", context)
    assert [mail["Subject"] for mail in mails] == ["first", "second"]


def test_without_a_setting_nobody_is_told(monkeypatch, context):
    monkeypatch.delenv(notifications.NOTIFIER, raising=False)
    notifications.tell("x", "y", context)
    assert notifications.configured(notifications.run_failed) is None


def test_who_can_t_be_told_fails_nothing(mails, monkeypatch, context, caplog):
    monkeypatch.setenv(
        "AIRFLOW_CONN_SMTP_DEFAULT", "smtp://127.0.0.1:9?disable_ssl=true&disable_tls=true&retry_limit=1"
    )
    notifications.tell("Orphan found", "x", context)
    assert mails == []
    assert "Nobody could be told: Orphan found" in caplog.text


@pytest.mark.parametrize(
    ("path", "kwargs", "variable", "reason"),
    [
        ("no.such.Notifier", "{}", notifications.NOTIFIER, "No module named"),
        ("nonsense", "{}", notifications.NOTIFIER, "nonsense"),
        ("json.JSONDecoder", "{}", notifications.NOTIFIER, "no subclass"),
        (SMTP, "{", notifications.KWARGS, "no JSON"),
        (SMTP, "[1]", notifications.KWARGS, "no JSON object"),
        (SMTP, "{}", notifications.KWARGS, "'to'"),
        (SMTP, '{"to": "a", "colour": "red"}', notifications.KWARGS, "colour"),
    ],
)
def test_a_setting_that_can_t_be_used_is_refused_where_dags_are_parsed_by_name(
    monkeypatch, path, kwargs, variable, reason
):
    monkeypatch.setenv(notifications.NOTIFIER, path)
    monkeypatch.setenv(notifications.KWARGS, kwargs)
    with pytest.raises(InvalidInput) as refused:
        notifications.configured(notifications.run_failed)
    assert f"{variable} can't" in refused.value.what
    assert reason in refused.value.reason


def test_a_topic_needs_no_more_than_its_address(aws, monkeypatch, context):
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    monkeypatch.setenv(notifications.NOTIFIER, SNS)
    monkeypatch.setenv(notifications.KWARGS, '{"target_arn": "arn:aws:sns:us-east-1:123456789012:team"}')
    aws.on("Publish", {"MessageId": "m-1"})
    notifications.run_failed({**context, "ti": SimpleNamespace(dag_id="train_and_deploy_model")})
    [request] = aws.requests("Publish")
    assert request["TargetArn"].endswith(":team")
    assert request["Subject"] == "Run failed"
    assert "manual__2013-02-14" in request["Message"]
