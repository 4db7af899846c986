# Sourced by the findings: `fresh PACKAGE==VERSION ...` makes an environment in a temporary folder that goes when the script ends.
fresh() {
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    "${PYTHON:-python3}" -m venv "$folder/venv"
    "$folder/venv/bin/python" -m pip --disable-pip-version-check install -qq --no-compile "$@"
    export PYTHONDONTWRITEBYTECODE=1
    cd "$folder"
}
