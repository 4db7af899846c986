#!/usr/bin/env bash
# Builds the image of deploy/Containerfile, starts it as its head says, and waits until it answers /health with 200.
# Without an engine (podman, or a docker whose daemon answers) it says so and ends well: nothing was built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

engine=""
for one in podman docker; do
    if command -v "$one" >/dev/null && "$one" info >/dev/null 2>&1; then
        engine="$one"
        break
    fi
done
if [ -z "$engine" ]; then
    echo "No container engine answers: the image was neither built nor started."
    exit 0
fi
"$engine" build -q -t kiel-ci -f deploy/Containerfile . >/dev/null
started="$("$engine" run -d --rm --read-only --tmpfs /tmp --memory 4g -p 127.0.0.1::5006 kiel-ci)"
trap '"$engine" stop "$started" >/dev/null' EXIT
address="$("$engine" port "$started" 5006 | head -n 1)"
for _ in $(seq 120); do
    if python3 -c "import sys, urllib.request; sys.exit(urllib.request.urlopen('http://$address/health', timeout=5).status != 200)" 2>/dev/null; then
        echo "The image was built, started, and answers."
        exit 0
    fi
    sleep 1
done
"$engine" logs "$started" | tail -n 20
echo "The image was built and started, but does not answer /health within two minutes." >&2
exit 1
