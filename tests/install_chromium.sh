#!/usr/bin/env bash
# Installs Debian's Chromium for the browser tests where it is missing and may be installed; never fails the tests.
set -u

for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Chromium is not installed: the browser tests will skip. Install the package 'chromium' to run them."
    exit 0
fi

echo "Installing Chromium for the browser tests"
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1; then
    echo "Chromium could not be installed: the browser tests will skip."
fi
exit 0
