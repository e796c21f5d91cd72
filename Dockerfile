# Two images: `airflow`, for every service of Airflow, and `local-aws`, the embedded AWS with real Livy and Spark.
# BASE_IMAGE is any Debian or Ubuntu with Python 3.11 or 3.12 and venv. Where packages come through a proxy with a
# certificate of its own, BUILD_CA_FILE names it (docker-compose.yaml): it is mounted while building and not kept.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS base
RUN useradd --uid 50000 --gid 0 --create-home --home-dir /home/airflow airflow
ENV LANG=C.UTF-8 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1


FROM base AS airflow-packages
COPY requirements/compose.txt /tmp/requirements.txt
RUN --mount=type=secret,id=ca,target=/run/secrets/ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
 && python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --require-hashes --only-binary=:all: --no-deps -r /tmp/requirements.txt


FROM base AS airflow
COPY --from=airflow-packages /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH AIRFLOW_HOME=/opt/airflow
COPY docker/health.py docker/init.sh /opt/docker/
# Side by side, as in the repository: plugins/ finds include/ from its own place. Compose mounts over them.
COPY dags /opt/airflow/dags
COPY plugins /opt/airflow/plugins
COPY include /opt/airflow/include
# A new volume takes its owner from here.
RUN mkdir -p /opt/airflow/logs && chown -R airflow:0 /opt/airflow/logs && chown airflow:0 /opt/airflow
WORKDIR /opt/airflow
USER airflow
CMD ["airflow", "version"]


# As on any machine: `make setup`, with the compiler and the headers that the training toolkit is built with.
FROM base AS local-aws-packages
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc g++ libc6-dev \
 && { python3 -c 'import os, sysconfig as s; os.stat(s.get_paths()["include"] + "/Python.h")' 2>/dev/null \
      || apt-get install -y --no-install-recommends python3-dev; } \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/sagemaker-emr
COPY requirements requirements
COPY local_stack/__init__.py local_stack/installation.py local_stack/
COPY local_aws local_aws
RUN --mount=type=secret,id=ca,target=/run/secrets/ca \
    if [ -s /run/secrets/ca ]; then \
      export PIP_CERT=/run/secrets/ca SSL_CERT_FILE=/run/secrets/ca REQUESTS_CA_BUNDLE=/run/secrets/ca; \
    fi \
 && UV_LINK_MODE=copy UV_NO_CACHE=1 python3 -m local_stack.installation


FROM base AS local-aws
WORKDIR /opt/sagemaker-emr
COPY --from=local-aws-packages /opt/sagemaker-emr/.venv .venv
COPY --from=local-aws-packages /opt/sagemaker-emr/.venv-emr .venv-emr
COPY --from=local-aws-packages /opt/sagemaker-emr/.venv-sagemaker .venv-sagemaker
COPY --from=local-aws-packages /opt/sagemaker-emr/var/jars var/jars
COPY requirements requirements
COPY local_stack local_stack
COPY local_aws local_aws
COPY docker/health.py /opt/docker/
RUN mkdir -p /var/lib/local-aws && chown airflow:0 /var/lib/local-aws
ENV PATH=/opt/sagemaker-emr/.venv/bin:$PATH
USER airflow
CMD ["python", "-m", "local_aws"]
