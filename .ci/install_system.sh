#!/usr/bin/env bash
# Installs what a whole run needs of the system, where it is missing and may be installed (root on Debian): make, venv, Chromium
# for the page, gfortran for Turbospectrum, STILTS and fitsverify to judge the files. Fails with a sentence where something is
# missing at the end.
set -euo pipefail

lacking() {
    command -v make >/dev/null || echo make
    command -v gfortran >/dev/null || echo gfortran
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
        || echo chromium fonts-dejavu-core
    command -v stilts >/dev/null || echo stilts
    command -v fitsverify >/dev/null || echo fitsverify
}

read -r -d '' -a packages < <(lacking && printf '\0')
[ "${#packages[@]}" -eq 0 ] && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
still="$(lacking)"
if [ -n "$still" ]; then
    echo "These are missing and could not be installed:" $still "(Debian: apt install" $still", as root); then try again." >&2
    exit 1
fi
