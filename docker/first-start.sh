#!/bin/sh
# Secrets and keys of a new deployment, in ./secrets (for your eyes only). What is there already is kept.
#   sh first-start.sh            with docker compose; COMPOSE="podman-compose" sh first-start.sh with another
set -eu
cd "$(dirname "$0")"
compose=${COMPOSE:-docker compose}
[ -f .env ] || cp env.example .env
mkdir -p secrets
chmod 700 secrets

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# Containers read their secrets as another user than yours; the folder keeps everybody else out.
keep() {
    cat >"secrets/$1.new"
    chmod 444 "secrets/$1.new"
    mv "secrets/$1.new" "secrets/$1"
}

[ -f secrets/audit_key ] || random | keep audit_key
[ -f secrets/grafana_password ] || random | keep grafana_password
[ -f secrets/metrics_key ] || echo none yet | keep metrics_key # compose asks for the file before it runs anything

key() { $compose --profile jobs run --rm indexer key create --gallery /data/gallery "$@"; }

if grep -q "^none yet" secrets/metrics_key; then
    metrics=$(key --name prometheus --scopes metrics | grep -o 'cskt_[0-9a-f]*_[A-Za-z0-9_-]*' | head -n 1)
    if [ -z "$metrics" ]; then
        echo "first-start: no key could be made; what $compose said stands above. Mend it and start again." >&2
        exit 1
    fi
    echo "$metrics" | keep metrics_key
    echo "The first key for searching, and one for the audit log; they are not shown again:"
    key --name "first investigator" --scopes search
    key --name "first auditor" --scopes audit
fi
