#!/bin/sh
# Installs what the deployment tests run containers with (install_engine.sh podman|docker), where that is possible (root
# and apt); elsewhere they are skipped with a reason. Never fails: the tests that need no containers must run all the same.
engine=${1:-podman}
case $engine in
podman)
    packages="podman runc debootstrap netavark aardvark-dns iptables"
    needed="podman runc debootstrap /usr/lib/podman/netavark /usr/lib/podman/aardvark-dns"
    ;;
docker)
    packages="docker.io docker-compose debootstrap iptables"
    needed="dockerd docker-compose debootstrap"
    ;;
*)
    echo "install_engine.sh: take podman or docker" >&2
    exit 2
    ;;
esac
for name in $needed; do
    command -v "$name" >/dev/null 2>&1 || missing=yes
done
[ -n "${missing:-}" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing $engine for the deployment tests."
    # shellcheck disable=SC2086  # a list
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages; } >/dev/null 2>&1 ||
        echo "$engine could not be installed; the tests of containers will be skipped."
else
    echo "No $engine found; the tests of containers will be skipped. Install: $packages"
fi
exit 0
