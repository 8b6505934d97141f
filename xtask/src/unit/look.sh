# Runs under a systemd that was booted for it. One line for each thing that was looked at.
[ -d /stage/out ] || exit
exec 2> /stage/out/log > /stage/out/report
echo began
set -x
export ID_CLI_DATA_DIR=/var/lib/id-node ID_CLI_TOPIC=office
export ID_CLI_TOPIC_SECRET_FILE=/etc/credstore/id-node.topic-secret

is() { # what, whether
    if [ "$2" = 0 ]; then echo "ok     $1"; else echo "WRONG  $1"; fi
}
says() { systemctl show id-node --property "$1" --value; }
eventually() { # a command, for ten seconds
    for _ in $(seq 100); do "$@" && return; sleep 0.1; done
    return 1
}
is_named() { id-cli status | grep -q "^name: $1$"; }
has_status() { says StatusText | grep -q "$1"; }
has_restarted() { [ "$(says NRestarts)" = "$1" ] && [ "$(says ActiveState)" = active ]; }

systemctl start id-node && systemctl stop id-node; is "it starts without a secret" $?
install -D --mode 600 /stage/topic-secret "$ID_CLI_TOPIC_SECRET_FILE"
systemctl start id-node; is "it starts" $?
pid=$(says MainPID)
grep -q '^CapEff:\s*0000000000000000$' "/proc/$pid/status"; is "without capabilities" $?
grep -q '^NoNewPrivs:\s*1$' "/proc/$pid/status"; is "without a way to more of them" $?
grep -q '^Seccomp:\s*2$' "/proc/$pid/status"; is "with few system calls" $?
! grep -q '^Uid:\s*0' "/proc/$pid/status"; is "not as root" $?
test -f /var/lib/private/id-node/identity; is "with a state directory" $?
id-cli ping > /dev/null; is "it answers" $?
is_named before; is "in the network of the secret that it was handed" $?
eventually has_status "0 peers"; is "it says how it does" $?

sed -i s/before/after/ /etc/id-node/id-node.toml
systemctl reload id-node; is "it reloads" $?
eventually is_named after; is "and has the new name" $?

# A second node, of nobody's, to be met.
id-node --ephemeral --bind 127.0.0.1:0 --no-relay --no-dht --topic office \
    --topic-secret-file "$ID_CLI_TOPIC_SECRET_FILE" --bootstrap "$(id-cli ticket)" > /dev/null &
eventually has_status "1 peer, 1 neighbour"; is "it meets another" $?

id=$(id-cli status | head -1)
kill -STOP "$pid"
eventually has_restarted 1; is "it is restarted when it hangs" $?
[ "$(id-cli status | head -1)" = "$id" ]; is "as who it was" $?
kill -KILL "$(says MainPID)"
eventually has_restarted 2; is "and when it is killed" $?

systemctl stop id-node; is "it stops" $?
[ "$(says Result)" = success ]; is "as it should" $?
journalctl --unit id-node --no-pager --output cat >&2
echo done
