"""CloudFormation as it behaves over time."""
