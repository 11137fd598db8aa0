#!/bin/sh
# Installs what the deployment tests run containers with, where that is possible (root and apt); elsewhere they are
# skipped with a reason. Never fails: the tests that need no containers must run all the same.
packages="podman runc debootstrap netavark aardvark-dns iptables"
for name in podman runc debootstrap; do
    command -v "$name" >/dev/null 2>&1 || missing=yes
done
[ -x /usr/lib/podman/netavark ] && [ -x /usr/lib/podman/aardvark-dns ] || missing=yes
[ -n "${missing:-}" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing podman for the deployment tests."
    # shellcheck disable=SC2086  # a list
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages; } >/dev/null 2>&1 ||
        echo "podman could not be installed; the tests of containers will be skipped."
else
    echo "No podman found; the tests of containers will be skipped. Install: $packages"
fi
exit 0
