#!/bin/sh
# Install the built wheel as its users do, and run the unit tests against it: scripts/test_wheel.sh AIRFLOW [PYTEST ARGS]
# AIRFLOW is 3.1, 3.2 or 3.3.
#
# The environment holds what the wheel declares, with its extras, and nothing of this checkout; the locks only choose the
# versions. The tests run from the unpacked source distribution, without the package beside them.
set -eu

airflow=$1
shift
case $airflow in
    3.1) lock=requirements-airflow31.lock ;;
    3.2) lock=requirements-airflow32.lock ;;
    3.3) lock=requirements.lock ;;
    *)
        echo "AIRFLOW has to be 3.1, 3.2 or 3.3." >&2
        exit 2
        ;;
esac

uv=$PWD/.venv-lock/bin/uv
venv=$PWD/.venv-wheel-$airflow
wheel=$(echo dist/*.whl)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$(.venv-lock/bin/python -m pip config get global.index-url 2>/dev/null || true)}}
if [ -n "$index" ]; then
    export UV_DEFAULT_INDEX="$index"
fi
grep -E '^[a-z0-9].*==' "$lock" | sed 's/ *\\$//' >"$work/versions.txt"

rm -rf "$venv"
"$uv" venv --quiet --python .venv-lock/bin/python "$venv"
echo "Installing $wheel alone, with Airflow $airflow"
"$uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" --constraint "$work/versions.txt" "$wheel"
AIRFLOW_HOME=$work/airflow "$venv/bin/python" scripts/name_missing_extras.py

echo "Installing its extras and the tools of the tests"
extras=$("$venv/bin/python" -c 'from importlib.metadata import metadata as read
print(",".join(read("airflow-provider-orders").get_all("Provides-Extra")))')
"$uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" --constraint "$work/versions.txt" --group test \
    "$wheel[$extras]"

tar -xzf dist/*.tar.gz -C "$work"
cd "$work"/airflow_provider_orders-*
rm -rf airflow_provider_orders
where=$("$venv/bin/python" -c 'import airflow_provider_orders as package; print(package.__file__)')
case $where in
    "$venv"/*) echo "Testing $where" ;;
    *)
        echo "The tests would not run against the wheel, but against $where." >&2
        exit 1
        ;;
esac
# What builds the wheel needs the package's source.
"$venv/bin/python" -m pytest -p no:cacheprovider tests/unit --ignore tests/unit/test_wheel.py "$@"
