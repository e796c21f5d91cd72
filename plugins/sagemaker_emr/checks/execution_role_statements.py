"""What Studio's execution role must allow, statement by statement, and what fails without each."""

from __future__ import annotations

from dataclasses import dataclass

CLUSTER, PROJECT = "elasticmapreduce:{here}:cluster/j-CHECK", "sagemaker:{here}:project/check"
BUCKETS = ("s3:::{RawBucket}", "s3:::{FeaturesBucket}", "s3:::{ArtifactsBucket}")
CONTEXT = {"cloudwatch:namespace": "/aws/sagemaker/TrainingJobs", "servicecatalog:userLevel": "self"}
"""Values of the condition keys that the statements name, as a run's requests carry them."""


@dataclass(frozen=True)
class Statement:
    """A statement of the role's policies in include/cfn/studio.yaml.

    :param symptom: what a user sees without it.
    :param resources: what it is simulated on, without ``arn:<partition>:``; ``*`` is everything.
    :param of_users: whether who has a role of their own needs it too, to work with clusters in Studio.
    """

    policy: str
    sid: str
    symptom: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    of_users: bool = False


STATEMENTS = (
    Statement(
        "AllowSagemakerProjectManagement",
        "AllowPresignedUrl",
        "Links to the Spark UI in Studio open nothing: AccessDenied.",
        (
            "elasticmapreduce:DescribeCluster",
            "elasticmapreduce:ListInstanceGroups",
            "elasticmapreduce:CreatePersistentAppUI",
            "elasticmapreduce:DescribePersistentAppUI",
            "elasticmapreduce:GetPersistentAppUIPresignedURL",
            "elasticmapreduce:GetOnClusterAppUIPresignedURL",
            "elasticmapreduce:ListInstances",
        ),
        (CLUSTER,),
        of_users=True,
    ),
    Statement(
        "AllowSagemakerProjectManagement",
        "AllowClusterDetailsDiscovery",
        "Studio shows no details of a cluster, and connecting fails: AccessDenied on DescribeCluster.",
        ("elasticmapreduce:DescribeCluster", "elasticmapreduce:ListInstanceGroups"),
        (CLUSTER,),
        of_users=True,
    ),
    Statement(
        "AllowSagemakerProjectManagement",
        "AllowClusterDiscovery",
        "Studio's list of clusters stays empty: AccessDenied on ListClusters.",
        ("elasticmapreduce:ListClusters",),
        of_users=True,
    ),
    Statement(
        "AllowSagemakerProjectManagement",
        "AllowSagemakerProjectManagement",
        "Studio's 'Create cluster' fails: not authorized to perform sagemaker:CreateProject.",
        ("sagemaker:CreateProject", "sagemaker:DeleteProject"),
        (PROJECT,),
        of_users=True,
    ),
    Statement(
        "AllowSagemakerProjectManagement",
        "AllowEMRTemplateDiscovery",
        "Studio's 'Create cluster' lists no template.",
        ("servicecatalog:SearchProducts",),
        of_users=True,
    ),
    Statement(
        "data",
        "ListBuckets",
        "Training jobs fail: AccessDenied on ListBucket while their data is downloaded.",
        ("s3:GetBucketLocation", "s3:ListBucket"),
        BUCKETS,
    ),
    Statement(
        "data",
        "ReadObjects",
        "Training jobs and endpoints fail: AccessDenied on GetObject of data, code or model.",
        ("s3:GetObject",),
        tuple(f"{bucket}/check" for bucket in BUCKETS),
    ),
    Statement(
        "data",
        "WriteArtifacts",
        "Training jobs fail as they end: the model can't be uploaded.",
        ("s3:AbortMultipartUpload", "s3:PutObject"),
        ("s3:::{ArtifactsBucket}/check",),
    ),
    Statement(
        "jobs",
        "Logs",
        "Training jobs and endpoints leave no log: train_model can't tell why it failed.",
        (
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
        ),
        ("logs:{here}:log-group:/aws/sagemaker/TrainingJobs:log-stream:check",),
    ),
    Statement(
        "jobs",
        "Metrics",
        "Training jobs and endpoints have no metrics in CloudWatch.",
        ("cloudwatch:PutMetricData",),
    ),
    Statement(
        "jobs",
        "Images",
        "Training jobs and endpoints fail: the image can't be pulled from ECR.",
        (
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetAuthorizationToken",
            "ecr:GetDownloadUrlForLayer",
        ),
    ),
    Statement(
        "studio",
        "SeeStudio",
        "Studio's home page shows errors: AccessDenied on its domain, spaces and apps.",
        (
            "sagemaker:DescribeApp",
            "sagemaker:DescribeDomain",
            "sagemaker:DescribeSpace",
            "sagemaker:DescribeUserProfile",
            "sagemaker:ListApps",
            "sagemaker:ListDomains",
            "sagemaker:ListSpaces",
            "sagemaker:ListTags",
            "sagemaker:ListUserProfiles",
        ),
    ),
    Statement(
        "studio",
        "WorkInSpaces",
        "Users can't start JupyterLab: AccessDenied on CreateSpace or CreateApp.",
        (
            "sagemaker:AddTags",
            "sagemaker:CreateApp",
            "sagemaker:CreateSpace",
            "sagemaker:DeleteApp",
            "sagemaker:DeleteSpace",
            "sagemaker:UpdateSpace",
        ),
        ("sagemaker:{here}:app/check", "sagemaker:{here}:space/check"),
    ),
    Statement(
        "studio",
        "SeeClusters",
        "Studio's 'Create cluster' shows no template or no progress: AccessDenied.",
        (
            "servicecatalog:DescribeProduct",
            "servicecatalog:DescribeProvisionedProduct",
            "servicecatalog:DescribeProvisioningParameters",
            "servicecatalog:DescribeRecord",
            "servicecatalog:ListLaunchPaths",
            "servicecatalog:ListProvisioningArtifacts",
            "servicecatalog:SearchProvisionedProducts",
            "sagemaker:DescribeProject",
            "sagemaker:ListProjects",
        ),
    ),
    Statement(
        "studio",
        "LaunchClusters",
        "Studio's 'Create cluster' fails: not authorized to perform servicecatalog:ProvisionProduct.",
        ("servicecatalog:ProvisionProduct",),
        ("catalog:{here}:product/prod-check",),
    ),
    Statement(
        "studio",
        "EndOwnClusters",
        "Users can't end the clusters they launched, which go on costing money.",
        ("servicecatalog:TerminateProvisionedProduct",),
    ),
)
