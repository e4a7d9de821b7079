#!/bin/sh
# Make the virtual environment FOLDER with the newest suitable Python on PATH, or with $PYTHON.
# Debian and Ubuntu ship venv in a package of its own: it is installed where we may, else named.
set -eu

folder=${1:?usage: make_venv.sh FOLDER}

suitable() {
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3 python3.13 python3.12 python3.11 python; do
        if suitable "$candidate"; then
            python=$candidate
            break
        fi
    done
fi
if [ -z "$python" ] || ! suitable "$python"; then
    echo "error: jupyter_uws needs Python 3.11 or newer${python:+, and $python is not}; set PYTHON to one" >&2
    exit 1
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if command -v apt-get >/dev/null 2>&1; then
        if [ "$(id -u)" != 0 ]; then
            echo "error: $python cannot make virtual environments yet. Run this, then try again:" >&2
            echo "    sudo apt-get update && sudo apt-get install -y python$version-venv" >&2
            exit 1
        fi
        echo "installing python$version-venv"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "python$version-venv" >/dev/null
    else
        echo "error: $python has no venv and ensurepip: install them for Python $version, or set PYTHON" >&2
        exit 1
    fi
fi

# Not in place: a folder that a stopped run left half-made must not be taken for an environment.
rm -rf "$folder"
"$python" -m venv "$folder"
