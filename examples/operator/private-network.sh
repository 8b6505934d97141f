#!/usr/bin/env bash
# A private network of three nodes, set up as an operator would on three machines; here all are on this one,
# on loopback, so that it can be tried. What goes to which machine is a directory of its own.
#
# usage: private-network.sh [--check] [DIR]
#   DIR      where its files are; kept, and used again the next time. Default: a temporary one.
#   --check  show that the nodes know each other, and end; else they run until Ctrl-C.
set -euo pipefail

check=
if [ "${1-}" = --check ]; then check=1; shift; fi
dir=${1-$(mktemp -d)}
if [ -z "${1-}" ]; then trash=$dir; fi
mkdir -p "$dir"
cd "$dir"

nodes=()
stop() {
    # SIGTERM is a goodbye: the others know at once.
    for node in "${nodes[@]}"; do kill "$node" 2>/dev/null || true; done
    wait
    if [ -n "${trash-}" ]; then rm -rf "$trash"; fi
}
trap stop EXIT

# One secret for all; whoever has it is a member. Only its owner may read it.
umask 077
[ -s secret ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >secret

# The configuration of a node: what is said in `id-node --help` by flags, as TOML.
configure() { # NAME [TICKET]
    mkdir -p "$1"
    cp secret "$1/secret"
    cat >"$1/id-node.toml" <<TOML
name = "$1"
topic = "office"
topic-secret-file = "$PWD/$1/secret"
data-dir = "$PWD/$1/data"
bootstrap = [${2:+"\"$2\""}]
# On three machines: "0.0.0.0:4433", and that port open for UDP.
bind = "127.0.0.1:0"
TOML
}

start() { # NAME
    id-node --config "$1/id-node.toml" >"$1/started" 2>"$1/log" &
    nodes+=($!)
}

# For id-cli: which network, and whose data directory says where this machine's node is.
export ID_CLI_TOPIC=office ID_CLI_TOPIC_SECRET_FILE=$PWD/secret ID_CLI_DATA_DIR=$PWD/cellar/data

# Tries until it works, for 20 seconds.
soon() {
    for _ in $(seq 100); do
        if "$@" 2>last-error; then return; fi
        sleep 0.2
    done
    cat last-error >&2
    return 1
}

configure cellar
start cellar
# The ticket says where the first node is. It holds no secret.
ticket=$(soon id-cli ticket)
for name in attic shed; do
    configure "$name" "$ticket"
    start "$name"
done

# Exit code 0: three are known, and all see one network.
soon id-cli peers --depth -1 --check --min-peers 3 --format tsv >/dev/null
id-cli peers
if [ -n "$check" ]; then exit; fi
echo "three nodes run; Ctrl-C ends them" >&2
wait
