#!/bin/sh
# Make .venv: the Python that runs Bulkhead's tools, with the packages that requirements.lock
# pins by version and hash. `make` calls this when .venv is missing, was moved, or is older than
# the lock. Installs Debian packages only as root or with a sudo that asks nothing; otherwise it
# names the line to run.
set -eu
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-}
here=$(pwd -P)
venv=.venv
lock=host_tools/requirements.lock

say() {
    echo "setup: $1" >&2
}

# fail CAUSE NEXT_STEP
fail() {
    echo "bulkhead: $1" >&2
    echo "  try: $2" >&2
    exit 1
}

# Print what to put before apt-get; fail where this user may not install.
privilege() {
    if [ "$(id -u)" = 0 ]; then
        echo ""
    else
        sudo -n true 2>/dev/null && echo "sudo"
    fi
}

# install PACKAGE...: by apt, with one update of the package lists if that is what it takes.
install() {
    command -v apt-get >/dev/null || return 1
    sudo=$(privilege) || return 1
    say "installing with apt: $*"
    line="env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $*"
    $sudo $line >/dev/null 2>&1 && return 0
    $sudo apt-get update >/dev/null 2>&1 || true
    words=$($sudo $line 2>&1) || {
        echo "$words" >&2
        return 1
    }
}

# Print the first Python that is new enough.
find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    return 1
}

python=$(find_python) || python=
if [ -z "$python$PYTHON" ] && ! command -v python3 >/dev/null && install python3; then
    python=$(find_python) || python=
fi
[ -n "$python" ] || fail \
    "this takes Python 3.11 or newer, and ${PYTHON:-python3} is: $(
        "${PYTHON:-python3}" --version 2>&1 || true)" \
    "apt install python3 python3-venv, or make PYTHON=/path/to/a/newer/python3"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    install "python$version-venv" || fail \
        "$python cannot make virtual environments: Debian keeps that in a package of its own" \
        "apt install python$version-venv, then make again"
fi

# Programs in a virtual environment know their folder: one that was moved is made anew.
if [ -e "$venv/.ready" ] && [ "$(cat "$venv/.ready")" != "$here" ]; then
    rm -rf "$venv"
fi
if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    say "making $venv with Python $version"
    rm -rf "$venv"
    "$python" -m venv "$venv" || fail \
        "no virtual environment could be made in $here" "make sure the folder can be written to"
fi

say "installing the packages pinned in $lock:"
sed -n "/'win32'/d; s/^\([a-z0-9-]*==[^ ;]*\).*/\1/p" "$lock" | tr '\n' ' ' | fold -s -w 90 |
    sed 's/^/       /' >&2
echo >&2
pip="$venv/bin/python -m pip --quiet --no-input --disable-pip-version-check"
# The lock names all that there is to resolve, and Python compiles what it imports: pip need not do
# either, which saves a third of its time.
$pip install --no-deps --no-compile --require-hashes -r "$lock" || fail \
    "pip could not install the packages; its own words are above" \
    "check the network and pip's index (pip config list), then make again"
# The stubs of a second board have the file names of the first's: they get a folder of their own.
$pip install --require-hashes --no-deps --upgrade --target "$venv/stubs/esp32" \
    -r host_tools/stubs.lock || fail \
    "pip could not install the stubs of host_tools/stubs.lock; its own words are above" \
    "check the network and pip's index (pip config list), then make again"
# Build with the hatchling just installed: pip would fetch one of its own choice.
$pip uninstall --yes bulkhead >/dev/null 2>&1 || true    # this package's name before 0.2
$pip install --no-deps --no-build-isolation --editable . || fail \
    "pip could not install this folder; its own words are above" "make clean, then make again"

# The emulator is compiled for this very Python when there is a compiler: five times faster.
if ! command -v cc >/dev/null || ! "$venv/bin/python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'; then
    packages="gcc libc6-dev python$version-dev"
    install "$packages" ||
        say "the emulator will run at a fifth of its speed, until: apt install $packages"
fi
echo "$here" >"$venv/.ready"
say "ready"
