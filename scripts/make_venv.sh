#!/bin/sh
# Create a virtual environment with exactly what a lock file lists: scripts/make_venv.sh FOLDER [LOCK]
# Without a lock, with uv alone.
#
# Needs a Python of 3.11 or later (PYTHON names one) and pip. Takes uv from requirements.lock to install the rest,
# because it is four times as fast, and does without it where uv cannot reach the index that pip is set up for.
set -eu

folder=$1
lock=${2:-}

find_python() {
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "No Python 3.11 or later found; install one, or name it: make PYTHON=/path/to/python ..." >&2
    exit 1
}

install_uv() {
    sed -n '/^uv==/,/# via/p' requirements.lock >"$folder/uv.lock"
    "$folder/bin/python" -m pip install --quiet --no-deps --require-hashes -r "$folder/uv.lock"
}

install_with_uv() {
    # uv does not read pip's configuration: hand on the index, if there is one.
    index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$("$folder/bin/python" -m pip config get global.index-url 2>/dev/null || true)}}
    if [ -n "$index" ]; then
        export UV_DEFAULT_INDEX="$index"
    fi
    "$folder/bin/uv" pip install --quiet --no-deps --python "$folder/bin/python" --require-hashes --compile-bytecode -r "$lock"
}

python=$(find_python)
echo "Setting up $folder${lock:+ from $lock} with $("$python" --version); this takes half a minute, once."
rm -rf "$folder"
"$python" -m venv "$folder"
if [ -z "$lock" ]; then
    install_uv
elif ! { install_uv && install_with_uv; }; then
    echo "uv could not do it; trying pip, which takes a minute longer."
    "$folder/bin/python" -m pip install --quiet --no-deps --require-hashes -r "$lock"
fi
