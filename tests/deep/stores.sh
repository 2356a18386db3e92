#!/usr/bin/env bash
# Runs the rung `stores` against an S3 server that is started here, on the loopback interface, with a scratch directory.
#
#     tests/deep/stores.sh rclone       rclone serve s3
#     tests/deep/stores.sh garage       Garage, one node; GARAGE names the program if it is not on the path
#
# Arguments after the first go to cargo (--release). Nothing is left behind.
set -euo pipefail

server=${1:?rclone or garage}
shift
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
pid=
stop() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap stop EXIT

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

wait_for() {
    for _ in $(seq 100); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
        sleep 0.1
    done
    cat "$scratch/log" >&2
    echo "nothing listens at port $1" >&2
    exit 1
}

port=$(free_port)
region=us-east-1
key=GK$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
secret=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')

case $server in
rclone)
    mkdir -p "$scratch/files/bucket"
    RCLONE_CONFIG=/dev/null rclone serve s3 --addr "127.0.0.1:$port" --auth-key "$key,$secret" "$scratch/files" \
        >"$scratch/log" 2>&1 &
    pid=$!
    wait_for "$port"
    rclone version | head -1
    ;;
garage)
    region=garage
    garage=${GARAGE:-garage}
    rpc=$(free_port)
    cat >"$scratch/garage.toml" <<END
metadata_dir = "$scratch/meta"
data_dir = "$scratch/data"
db_engine = "lmdb"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:$rpc"
rpc_public_addr = "127.0.0.1:$rpc"
rpc_secret = "$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')"

[s3_api]
s3_region = "$region"
api_bind_addr = "127.0.0.1:$port"
END
    "$garage" -c "$scratch/garage.toml" server >"$scratch/log" 2>&1 &
    pid=$!
    wait_for "$rpc"
    wait_for "$port"
    ask() { "$garage" -c "$scratch/garage.toml" "$@"; }
    node=$(ask node id -q | cut -d@ -f1)
    ask layout assign -z one -c 1G "$node" >/dev/null
    ask layout apply --version 1 >/dev/null
    ask key import --yes -n waloy "$key" "$secret" >/dev/null
    ask bucket create bucket >/dev/null
    ask bucket allow --read --write --owner bucket --key waloy >/dev/null
    ask --version
    ;;
*)
    echo "no server $server: rclone or garage" >&2
    exit 2
    ;;
esac

cd "$here/../.."
RUST_BACKTRACE=0 AWS_ACCESS_KEY_ID=$key AWS_SECRET_ACCESS_KEY=$secret AWS_EC2_METADATA_DISABLED=true \
    WALOY_TEST_S3_URL=s3://bucket/some/prefix WALOY_TEST_S3_ENDPOINT=http://127.0.0.1:$port \
    WALOY_TEST_S3_REGION=$region \
    cargo test --quiet --all-features "$@" --test deep -- one stores 4
