#!/usr/bin/env bash
# Runs a command whenever a certain peer goes: when it said goodbye, or failed to answer twice.
#
# usage: peer-alarm.sh NODE_ID COMMAND…
#   COMMAND gets two more arguments: when, and the peer's name with the reason. A name is a stranger's word: it holds
#   no control characters, but may say anything else.
#   EVERY=SECS how long from one look to the next; default 30.
#
# e.g. peer-alarm.sh b668c0cf… notify-send 'peer gone'
#
# The peer is named by its id, because anybody can take its name. Needs nothing but bash and id-cli; with jq, see
# "Recipes" in docs/scripts.md.
set -euo pipefail

if [ $# -lt 2 ]; then
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
fi
peer=${1:0:10}
shift

# What changes, one line each: the time, a sign, the first ten digits of the id, and the rest.
exec 3< <(exec id-cli watch --every "${EVERY-30}")
watch=$!
trap 'kill "$watch" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

while read -r when sign id rest <&3; do
    if [ "$sign$id" = "-$peer" ]; then
        "$@" "$when" "$rest" || echo "$1 failed" >&2
    fi
done
# It only ends if there is nobody to ask, and has said why.
wait "$watch"
