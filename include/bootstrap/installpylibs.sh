#!/bin/bash
# EMR bootstrap action: the system libraries and the pinned Python libraries that jobs and notebooks use.
# Runs on every node, on Amazon Linux 2 and 2023; any failure fails the node, and so the cluster's start.
#
#   installpylibs.sh <EMR release label> [internet | <s3:// folder of wheels>]
#
# Without a way to the internet it installs from wheels staged in S3. The system libraries come from Amazon
# Linux's repositories, which are reached through the S3 gateway endpoint.
set -euo pipefail

release=${1:?usage: installpylibs.sh <EMR release label> [internet | <s3:// folder of wheels>]}
packages_from=${2:-internet}

if command -v dnf >/dev/null; then
    packages=dnf
else
    packages=yum
fi

echo "installpylibs: ${release}, system libraries with ${packages}"
sudo "${packages}" install -y \
    python3-devel libtiff-devel libjpeg-devel libzip-devel freetype-devel \
    lcms2-devel libwebp-devel tcl-devel tk-devel

case ${release} in
emr-5.33.1 | emr-6.3.0)
    # Python 3.7; the reference article's versions.
    libraries=(
        cython==0.29.24 setuptools==58.1.0 numpy==1.21.2 matplotlib==3.4.3
        requests==2.26.0 boto3==1.18.63 pandas==1.2.5
    )
    ;;
*)
    # Python 3.9. boto3 commits partitions with conditional puts, which need 1.35 or later; pydantic checks
    # what is in them.
    libraries=(
        numpy==1.26.4 pandas==2.2.3 matplotlib==3.9.4 requests==2.32.5 boto3==1.40.4
        pydantic==2.13.5
    )
    ;;
esac

if [[ ${packages_from} == s3://* ]]; then
    folder=$(mktemp -d)
    echo "installpylibs: wheels from ${packages_from}"
    aws s3 cp --recursive --only-show-errors "${packages_from}" "${folder}"
    sudo python3 -m pip install --no-index --find-links "${folder}" "${libraries[@]}"
else
    sudo python3 -m pip install "${libraries[@]}"
fi

echo "installpylibs: installed"
python3 -m pip list --format=freeze
