"""By page, each command that the documentation shows, with what runs it.

A command is run by a test (``file::test``). What can't be run here has the reason, and the test that comes
closest, where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """Run as it stands, or by its parts where it differs only in addresses and folders.

    :param by: the test.
    """

    by: str


@dataclass(frozen=True)
class NotRun:
    """Not run as it stands.

    :param why: what is missing, or what is too long for a test.
    :param closest: the test that runs the same in a smaller way.
    """

    why: str
    closest: str = ""


LIFE = "tests/local_stack/test_life.py"
DEMO = Run("tests/system/test_train_and_deploy_model.py::test_the_demo_runs_the_default_path_and_reports_it")
CHAOS = NotRun(
    "takes minutes; pytest -m chaos plays the same matrix",
    "tests/chaos/test_matrix.py::test_nothing_is_violated_whatever_befalls_a_call",
)
UP = Run(f"{LIFE}::test_a_second_up_says_that_it_is_up")
STATUS = Run(f"{LIFE}::test_status_tells_what_runs_and_the_memory_it_takes")
DOWN = Run(f"{LIFE}::test_a_part_that_died_is_named_can_be_started_again_and_everything_else_can_be_stopped")
VARIABLES = Run(f"{LIFE}::test_the_env_file_makes_the_aws_and_airflow_commands_talk_to_it")
BY_HAND = NotRun(
    "the same templates are deployed through boto3 instead of the aws command",
    "tests/include/cfn/test_by_hand.py::test_one_template_creates_and_removes_the_whole_environment",
)
FAULTS = Run("tests/docs/test_commands.py::test_the_faults_are_played_and_told_by_the_commands_shown")
PARSED = Run("tests/docs/test_commands.py::test_airflow_understands_its_commands")
AWS_READS = Run("tests/docs/test_commands.py::test_the_aws_commands_of_the_tutorial_list_what_is_there")

SETTING = NotRun("a setting of a deployment, with addresses that exist nowhere")
PACKED = Run("tests/local_stack/test_mwaa.py::test_both_files_are_written_for_the_version_asked_for")
CONTAINERS = NotRun(
    "needs a Docker engine; make compose-test has one",
    "tests/docker/test_compose_run.py::test_the_whole_chain_survives_a_killed_worker",
)
ASTRO = NotRun("needs Astronomer's CLI, a Docker engine and an account")
HELM = NotRun("needs Helm and a Kubernetes cluster")
PRICES = NotRun(
    "needs an AWS account",
    "tests/plugins/sagemaker_emr/costs/test_refresh.py"
    "::test_a_region_without_a_table_gets_the_rows_of_the_default_region_at_its_own_prices",
)
SECRETS = Run("tests/docker/test_compose.py::test_the_secrets_are_made_by_one_command")

COMMANDS: dict[str, dict[str, Run | NotRun]] = {
    "README.md": {
        "make demo": DEMO,
        "make test": Run("tests/local_stack/test_makefile.py::test_continuous_integration_runs_make_test"),
        "make chaos": CHAOS,
    },
    "CONTRIBUTING.md": {
        "CONFORMANCE_ACCOUNT=123456789012 CONFORMANCE_REGION=us-east-1 CONFORMANCE_MAX_USD=5 "
        "make conformance": NotRun(
            "needs an AWS account",
            "tests/conformance/test_conformance.py::test_a_run_that_conforms_says_so_by_operation_and_leaves_nothing",
        ),
    },
    "docs/tutorial.md": {
        "make demo": DEMO,
        "make up": UP,
        "make status": STATUS,
        "make down": DOWN,
        "source var/local.env": VARIABLES,
        "aws s3 ls": AWS_READS,
        "aws emr list-clusters --active": AWS_READS,
        "airflow dags list": VARIABLES,
    },
    "docs/guides/backfills.md": {
        "source var/local.env": VARIABLES,
        "airflow dags unpause prepare_features": PARSED,
        "airflow backfill create --dag-id prepare_features --from-date 2013-01-01 --to-date 2013-01-31 "
        "--max-active-runs 4": PARSED,
    },
    "docs/guides/studio.md": {
        "curl --interface 127.0.0.2 http://$MASTER:8998/version": NotRun(
            "needs curl, which a fresh machine lacks",
            "tests/local_aws/emr/test_forwarder.py::test_what_is_not_admitted_gets_no_answer_and_what_is_passes_both_ways",
        ),
    },
    "docs/guides/costs.md": {
        "make prices": PRICES,
        "make prices REGION=eu-west-1": PRICES,
        'make prices ADD="ec2:m6g.xlarge emr:m6g.xlarge"': PRICES,
        "airflow backfill create --dag-id prepare_features --from-date 2013-01-01 --to-date 2013-01-31 "
        """--dag-run-conf '{"budget_usd": 20, "budget_name": "january-2013"}'""": PARSED,
    },
    "docs/guides/notifications.md": {
        "export SAGEMAKER_EMR_NOTIFIER=airflow.providers.smtp.notifications.smtp.SmtpNotifier": SETTING,
        """export SAGEMAKER_EMR_NOTIFIER_KWARGS='{"to": "team@example.com"}'""": SETTING,
        "export SAGEMAKER_EMR_NOTIFIER=airflow.providers.amazon.aws.notifications.sns.SnsNotifier": SETTING,
        """export SAGEMAKER_EMR_NOTIFIER_KWARGS='{"target_arn": """
        """"arn:aws:sns:us-east-1:123456789012:team", "region_name": "us-east-1"}'""": SETTING,
    },
    "docs/guides/compose.md": {
        "make compose-env LOCAL=1": SECRETS,
        "docker compose build": CONTAINERS,
        "docker compose up -d --wait --scale worker=2": CONTAINERS,
        "docker compose down": CONTAINERS,
        "make compose-env": SECRETS,
        "$EDITOR .env": NotRun("a person writes"),
        "docker compose build api-server": CONTAINERS,
    },
    "docs/guides/astro_and_helm.md": {
        "astro dev init --airflow-version 3.3.2": ASTRO,
        "cp -r $PROJECT/dags $PROJECT/plugins $PROJECT/include .": ASTRO,
        "cp $PROJECT/requirements/airflow.in requirements.txt": ASTRO,
        "astro dev parse": ASTRO,
        "astro deploy": ASTRO,
        "helm repo add apache-airflow https://airflow.apache.org": HELM,
        "helm upgrade --install airflow apache-airflow/airflow --version 1.22.0 --namespace airflow "
        "-f values.yaml": HELM,
    },
    "docs/guides/mwaa.md": {
        "make mwaa": PACKED,
        "make mwaa MWAA_AIRFLOW=3.0.6": PACKED,
    },
    "docs/platform.md": {
        "aws cloudformation deploy --stack-name sagemaker-emr-dev-airflow-roles "
        "--capabilities CAPABILITY_IAM --template-file include/cfn/airflow_roles.yaml "
        "--parameter-overrides Environment=dev "
        "TrustedPrincipalArn=arn:aws:iam::123456789012:role/airflow-workers": NotRun(
            "the same template is deployed through boto3 instead of the aws command",
            "tests/dags/test_roles.py"
            "::test_the_platform_role_carries_an_environment_from_its_deployment_to_its_end",
        ),
        "ENV=dev REGION=us-east-1 BUCKET=my-templates SUFFIX=amazonaws.com": BY_HAND,
        "SCRIPT=s3://$BUCKET/installpylibs.sh": BY_HAND,
        "aws s3 cp include/bootstrap/installpylibs.sh $SCRIPT": BY_HAND,
        "aws s3 cp --recursive include/cfn s3://$BUCKET/cfn": BY_HAND,
        'sed -e "s#@{environment}#$ENV#; s#@{bootstrap_script}#$SCRIPT#" include/cfn/emr_product.yaml | '
        "aws s3 cp - s3://$BUCKET/cfn/emr_product.yaml": BY_HAND,
        "aws cloudformation create-stack --stack-name sagemaker-emr-$ENV --capabilities CAPABILITY_NAMED_IAM "
        "--template-url https://$BUCKET.s3.$REGION.$SUFFIX/cfn/platform.yaml "
        "--parameters ParameterKey=Environment,ParameterValue=$ENV "
        "ParameterKey=TemplatesBucket,ParameterValue=$BUCKET "
        "ParameterKey=TemplatesUrl,ParameterValue=https://$BUCKET.s3.$REGION.$SUFFIX/cfn": BY_HAND,
        "aws sagemaker enable-sagemaker-servicecatalog-portfolio": BY_HAND,
    },
    "docs/reliability.md": {
        """curl -X POST $AWS_ENDPOINT_URL/_local/faults -d '{"seed": 7, "rules": [ """
        """{"kind": "throttling", "probability": 0.3, "user_agent": "*Airflow*"}, """
        """{"kind": "latency", "median": 0.2, "p99": 20, "user_agent": "*Airflow*"}]}'""": FAULTS,
        """curl -X POST $AWS_ENDPOINT_URL/_local/faults -d '{"rules": [ """
        """{"kind": "response_lost", "service": "servicecatalog", "operation": "ProvisionProduct", """
        """"nth": 1}]}'""": FAULTS,
        "curl $AWS_ENDPOINT_URL/_local/faults": FAULTS,
        "curl $AWS_ENDPOINT_URL/_local/requests?since=0": FAULTS,
        "curl -X DELETE $AWS_ENDPOINT_URL/_local/faults": FAULTS,
        "make chaos": CHAOS,
        "CHAOS_RUNS=1000 CHAOS_SEED=1 make chaos": NotRun(
            "takes half an hour", "tests/chaos/test_schedules.py"
        ),
        "CHAOS_SCHEDULE='chain run/request_cluster/servicecatalog.ProvisionProduct#1/lost/retried' "
        "make chaos": CHAOS,
    },
}
