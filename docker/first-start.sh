#!/bin/sh
# Secrets and keys of a new deployment, in ./secrets (for your eyes only). What is there already is kept.
#   sh first-start.sh            with docker compose; COMPOSE="podman-compose" sh first-start.sh with another
set -eu
cd "$(dirname "$0")"
compose=${COMPOSE:-docker compose}
[ -f .env ] || cp env.example .env
names() { grep -o '^[A-Za-z_][A-Za-z0-9_]*=' "$1" | sort -u; }
# What compose and its engine read themselves may stand there too.
unknown=$(names .env | grep -v -x -F "$(names env.example)" | grep -v -i -E '^(COMPOSE|DOCKER|BUILDKIT)_|^[a-z]+_PROXY=' | tr '\n' ' ' || true)
if [ -n "$unknown" ]; then
    echo "first-start: .env sets what env.example does not know, and so nothing would come of it: $unknown" >&2
    exit 1
fi
if [ -f secrets/metrics_key ] && [ ! -f secrets/audit_key ]; then
    echo "first-start: secrets/audit_key is gone. Bring it back from where you keep it: with another one the audit log would" >&2
    echo "be called false for good. If it is lost, see docker/README.md." >&2
    exit 1
fi
mkdir -p secrets
chmod 700 secrets
for shared in proxy prometheus grafana; do # read by other users than yours, whatever your umask was
    [ ! -d $shared ] || chmod -R a+rX $shared
done

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# Containers read their secrets as another user than yours; the folder keeps everybody else out.
keep() {
    cat >"secrets/$1.new"
    chmod 444 "secrets/$1.new"
    mv "secrets/$1.new" "secrets/$1"
}

give_up() {
    echo "first-start: $1; what $compose said stands above. Mend it and start again." >&2
    exit 1
}

[ -f secrets/audit_key ] || random | keep audit_key
[ -f secrets/grafana_password ] || random | keep grafana_password
[ -f secrets/metrics_key ] || echo none yet | keep metrics_key # compose asks for the file before it runs anything

job() { $compose --profile jobs run --rm indexer "$@"; }
key() { job key create --gallery /data/gallery "$@"; }

# The first run builds the image, and compose may tell of that among what the job says.
listed=$(job key list --gallery /data/gallery) || give_up "the keys could not be read"
if echo "$listed" | grep -q -E '^[0-9a-f]{12}  good  metrics  .*  prometheus.?$'; then
    echo "Secrets and keys are there already; make further ones with: $compose run --rm indexer key create --help"
    exit 0
fi
metrics=$(key --name prometheus --scopes metrics | grep -o 'cskt_[0-9a-f]*_[A-Za-z0-9_-]*' | head -n 1)
[ -n "$metrics" ] || give_up "no key could be made"
echo "$metrics" | keep metrics_key
echo "The first key for searching, and one for the audit log; they are not shown again:"
key --name "first investigator" --scopes search
key --name "first auditor" --scopes audit
