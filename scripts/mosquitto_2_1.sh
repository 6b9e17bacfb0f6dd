#!/usr/bin/env bash
# Puts Mosquitto 2.1, which most systems do not have yet, beside the system's own: Debian's package of it with all the
# libraries under it, the C library too, unpacked into DIR. Needs apt and the network, no root; removing DIR undoes it.
# Usage: scripts/mosquitto_2_1.sh DIR && FOGFLEET_TEST_MOSQUITTO=DIR/bin/mosquitto make test
# DEBIAN_MIRROR and DEBIAN_SUITE choose where it comes from.
set -euo pipefail

mkdir -p "$1"
home=$(cd "$1" && pwd)
keys=/usr/share/keyrings/debian-archive-keyring.gpg
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# apt with lists, archives and a record of what is installed (nothing) of its own.
mkdir -p "$work"/{lists,archives}/partial
: >"$work/status"
echo "deb [signed-by=$keys] ${DEBIAN_MIRROR:-http://deb.debian.org/debian} ${DEBIAN_SUITE:-sid} main" >"$work/sources.list"
options=(
    -qq -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o "Dir::State::status=$work/status" -o "Dir::Cache=$work"
    -o "Dir::Cache::Archives=$work/archives" -o APT::Sandbox::User= -o Debug::NoLocking=1
)
apt-get "${options[@]}" update

# The broker and the libraries that it needs, no other dependency: nothing of them is ever installed.
libraries() {
    apt-cache "${options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances mosquitto | grep -E '^(lib|zlib)' | grep -v ':' | sort -u
}
(cd "$work/archives" && libraries | xargs apt-get "${options[@]}" download mosquitto)
rm -rf "$home/root"
for package in "$work"/archives/*.deb; do dpkg -x "$package" "$home/root"; done

folder=$(dirname "$(find "$home/root/usr/lib" -name libmosquitto.so.1 -print -quit)")
loader=$(find "$home/root/usr" -name 'ld-linux*.so.*' -print -quit)
PATH=$PATH:/sbin:/usr/sbin ldconfig -n "$folder" # links that packages leave to the system
ln -sfn root/usr/lib "$home/lib"                  # where FogFleet looks for the plug-ins of DIR/bin/mosquitto
mkdir -p "$home/bin"
cat >"$home/bin/mosquitto" <<WRAPPER
#!/bin/sh
exec "$loader" --library-path "$folder" "$home/root/usr/sbin/mosquitto" "\$@"
WRAPPER
chmod +x "$home/bin/mosquitto"
{ "$home/bin/mosquitto" -h || true; } | head -n 1
