#!/bin/sh
# Installs what the deployment tests run containers with (install_engine.sh podman|docker), where that is possible (root
# and apt); elsewhere they are skipped with a reason. Never fails: the tests that need no containers must run all the same.
engine=${1:-podman}
plugins=/usr/local/lib/docker/cli-plugins
case $engine in
podman)
    packages="podman runc debootstrap netavark aardvark-dns iptables"
    needed="podman runc debootstrap /usr/lib/podman/netavark /usr/lib/podman/aardvark-dns"
    ;;
docker)
    packages="docker.io debootstrap iptables"
    needed="docker dockerd debootstrap"
    ;;
*)
    echo "install_engine.sh: take podman or docker" >&2
    exit 2
    ;;
esac

# Debian 12 has no `docker compose`; the plugins of Debian 13 are single programs that run here too.
install_plugins() {
    (
        set -e
        folder=$(mktemp -d)
        trap 'rm -rf "$folder"' EXIT
        cd "$folder"
        mkdir -p lists/partial cache/archives/partial
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" >sources
        options="-qq -o Dir::Etc::SourceList=$folder/sources -o Dir::Etc::SourceParts=/dev/null -o APT::Sandbox::User=root"
        options="$options -o Dir::State::Lists=$folder/lists -o Dir::Cache=$folder/cache"
        # shellcheck disable=SC2086  # a list
        apt-get $options update && apt-get $options download docker-compose docker-buildx
        for package in *.deb; do dpkg-deb -x "$package" root; done
        mkdir -p $plugins
        cp root/usr/libexec/docker/cli-plugins/* $plugins/
    )
}

for name in $needed; do
    command -v "$name" >/dev/null 2>&1 || missing=yes
done
[ "$engine" = podman ] || docker compose version >/dev/null 2>&1 || plugins_missing=yes
[ -n "${missing:-}${plugins_missing:-}" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing $engine for the deployment tests."
    # shellcheck disable=SC2086  # a list
    { [ -z "${missing:-}" ] || { apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages; } &&
        { [ -z "${plugins_missing:-}" ] || install_plugins; }; } >/dev/null 2>&1 ||
        echo "$engine could not be installed; the tests of containers will be skipped."
else
    echo "No $engine found; the tests of containers will be skipped. Install: $packages"
fi
exit 0
