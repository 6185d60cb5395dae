#!/bin/sh
# Unpack packages of this Debian or Ubuntu, and what they need and the system lacks, into a folder:
# scripts/fetch_debian.sh FOLDER PACKAGE...
#
# Nothing is installed, and no rights are needed. Where it cannot be done, it says so and leaves no folder; the tests
# that want the program then look for one that is installed, and say what they miss.
set -eu

folder=$1
shift

if [ -d "$folder" ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "There is no apt-get here to fetch $1 with; install it to run the tests that need it." >&2
    exit 0
fi

mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$(cd "$(dirname "$folder")" && pwd)/$1.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/root"

# apt's own lists may be missing or old, and only root could renew them: use some of our own.
apt() {
    apt-get -qq -o Dir::State="$work/state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$work/cache" \
        -o Debug::NoLocking=1 -o APT::Sandbox::User= "$@"
}

echo "Fetching $1 into $folder; this takes ten seconds or more, once."
if ! { apt update && apt install --yes --no-install-recommends --download-only --reinstall "$@"; } \
    >"$work/log" 2>&1; then
    cat "$work/log" >&2
    echo "Could not fetch $1; install it to run the tests that need it." >&2
    exit 0
fi
for archive in "$work"/cache/archives/*.deb; do
    dpkg-deb --extract "$archive" "$work/root"
done
chmod 755 "$work/root"
mv "$work/root" "$folder"
