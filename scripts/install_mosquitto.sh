#!/usr/bin/env bash
# Gives the environment a Mosquitto broker: the one that is there, else the system's package, else that
# package unpacked into the environment (no root needed). Where none of this works, FogFleet uses its
# embedded broker, and this script says so.
# Usage: scripts/install_mosquitto.sh VENV
set -euo pipefail

venv=$(cd "$1" && pwd)
home="$venv/opt/mosquitto"
export PATH="$venv/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# Prints the version; `mosquitto -h` ends with a failure code on some versions, so only its text counts.
version() { { mosquitto -h 2>/dev/null || true; } | sed -n 's/^mosquitto version //p'; }

works() { [ -n "$(version)" ]; }

report() { echo "Mosquitto: $(version) at $(command -v mosquitto)"; }

install_as_root() {
    echo "Mosquitto: not found, installing the system's package"
    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends mosquitto
}

# The broker and the libraries under it, which a minimal system may lack; never the C library.
packages() {
    echo mosquitto
    apt-cache depends mosquitto | awk '/Depends: lib/ {print $2}' |
        xargs -r apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
            --no-replaces --no-enhances --no-pre-depends |
        grep '^lib' | grep -v -E ':|^libc6$|^libgcc-s1$|^libcrypt1$|^libelogind0$|-common$' | sort -u
}

unpack_without_root() {
    echo "Mosquitto: not found and no root rights, unpacking the system's package into $(basename "$venv")"
    local debs
    debs=$(mktemp -d)
    (cd "$debs" && packages | xargs -r apt-get -qq download) || { rm -rf "$debs"; return 1; }
    mkdir -p "$home"
    local deb
    for deb in "$debs"/*.deb; do dpkg -x "$deb" "$home"; done
    rm -rf "$debs"
    cat >"$venv/bin/mosquitto" <<'WRAPPER'
#!/bin/sh
# The broker unpacked by scripts/install_mosquitto.sh, with the libraries that came with it.
home=$(cd "$(dirname "$0")/../opt/mosquitto" && pwd)
LD_LIBRARY_PATH=$(find "$home" -name '*.so.*' -exec dirname {} + | sort -u | tr '\n' ':')$LD_LIBRARY_PATH
export LD_LIBRARY_PATH
exec "$home/usr/sbin/mosquitto" "$@"
WRAPPER
    chmod +x "$venv/bin/mosquitto"
}

if works; then report; exit 0; fi
if command -v apt-get >/dev/null; then
    if [ "$(id -u)" -eq 0 ]; then
        install_as_root || true
    elif command -v dpkg >/dev/null; then
        unpack_without_root || true
    fi
fi
if works; then report; exit 0; fi
rm -f "$venv/bin/mosquitto"
echo "Mosquitto: none here and none could be installed; runs will use the embedded broker (slower, MQTT 3.1.1)."
echo "           Install the package 'mosquitto' of your system and run 'make setup' again to use the real one."
