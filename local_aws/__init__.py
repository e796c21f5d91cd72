"""The embedded AWS: moto's server, extended with the services, states and runtimes the DAGs need.

Never imported by ``dags/`` or ``plugins/``: they meet it through boto3 alone, as they meet AWS.
"""
