#!/bin/bash
# EMR bootstrap action: the system libraries and the pinned Python libraries that jobs and notebooks use.
# Runs on every node, on Amazon Linux 2 and 2023; any failure fails the node, and so the cluster's start.
#
#   installpylibs.sh <EMR release label>
set -euo pipefail

release=${1:?usage: installpylibs.sh <EMR release label>}

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
    # Python 3.9. boto3 commits partitions with conditional puts, which need 1.35 or later.
    libraries=(
        numpy==1.26.4 pandas==2.2.3 matplotlib==3.9.4 requests==2.32.5 boto3==1.40.4
    )
    ;;
esac

sudo python3 -m pip install "${libraries[@]}"

echo "installpylibs: installed"
python3 -m pip list --format=freeze
