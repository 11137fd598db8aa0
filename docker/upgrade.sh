#!/bin/sh
# Replace the running service by what .env and the image say now, without a failed request: new replicas start beside
# the old ones, and when they are ready the old ones leave, one after the other.
#   docker compose build --pull && sh upgrade.sh
#   ENGINE=podman COMPOSE=podman-compose sh upgrade.sh
set -eu
cd "$(dirname "$0")"
engine=${ENGINE:-docker}
compose=${COMPOSE:-docker compose}
patience=${PATIENCE:-180} # seconds until a new replica must be ready

replicas() { $engine ps -q "$@" --filter label=com.docker.compose.project=cskt --filter label=com.docker.compose.service=service; }
drop() {
    for one in $1; do
        $engine stop -t 20 "$one" >/dev/null || true
        $engine rm -f "$one" >/dev/null
    done
}

drop "$(replicas -a --filter status=exited)" # or compose would start them again instead of new ones
old=$(replicas)
count=$(echo "$old" | grep -c . || true)
if [ "$count" = 0 ]; then
    echo "upgrade: no service is running; start it with: $compose up -d" >&2
    exit 1
fi
new() { replicas -a | grep -v -F "$old" || true; }
give_up() {
    trap '' INT TERM HUP
    drop "$(new)"
    echo "upgrade: $1. What is new is gone; the old ones answer as before." >&2
    exit 1
}
trap 'give_up "it was interrupted"' INT TERM HUP
$compose up -d --no-deps --no-recreate --scale "service=$((2 * count))" service || give_up "no new replicas could be started"

started=$(date +%s)
for one in $(new); do
    until $engine exec "$one" python -m service.probe; do
        if [ $(($(date +%s) - started)) -ge "$patience" ] || [ "$($engine inspect -f '{{.State.Running}} {{.State.Restarting}}' "$one")" != "true false" ]; then
            $engine logs --tail 3 "$one" >&2 || true
            give_up "a new replica is not ready, its last words stand above"
        fi
        sleep 1
    done
done
sleep 5 # the proxy looks the addresses up every 2 seconds
trap '' INT TERM HUP
drop "$old"
echo "upgrade: $count of $count replaced."
