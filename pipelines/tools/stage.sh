#!/usr/bin/env bash
# stage.sh TITLE TARGET LOG COMMAND…: a banner, then COMMAND, which makes TARGET; LOG gets the command on
# top, and below it the messages (which are shown as well), the exit status and the time.
#
# TERM, INT, HUP and USR1 are handed on to COMMAND, and its end is waited for. A COMMAND that ends with 0
# and has not made TARGET has failed: some schedulers say 0 when a node dies.
set -eu -o pipefail
title=$1 target=$2 log=$3
shift 3
mkdir -p "$(dirname "$log")"
echo "=== $title ==="
{ printf '#' && printf ' %q' "$@" && echo; } >"$log"

# state: which file TARGET is and when it was written. It is opened, so that NFS looks at the server's.
state() {
  { stat -c '%i %s %y %z' - <"$target"; } 2>/dev/null || echo none
}
before=$(state)

# Passes messages on until the last one, whatever signals come.
exec 3> >(
  trap '' TERM INT HUP USR1
  exec tee -a "$log" >&2
)
messages=$!
# forward SIGNAL: to the command, at once or when it has begun.
command= pending=
forward() {
  if [ -n "$command" ]; then
    kill "-$1" -- "-$command" 2>/dev/null || true
  else
    pending=$1
  fi
}
for signal in TERM INT HUP USR1; do
  # shellcheck disable=SC2064
  trap "forward $signal" "$signal"
done
# In a group of its own, so that a signal comes from here alone, and reaches every program of a pipe.
# 99: see alone.sh.
set -m
"$@" 2>&3 3>&- 99>&- </dev/null &
command=$!
set +m
[ -z "$pending" ] || forward "$pending"
# A signal, or a stop, ends the waiting too early.
while { wait "$command" || true; } && kill -0 "$command" 2>/dev/null; do sleep 0.1; done
status=0
wait "$command" || status=$?
exec 3>&-
wait "$messages" || true

echo "# exit $status after $SECONDS s" >>"$log"
if [ "$status" -ne 0 ]; then
  echo "failed: $title; see $log" >&2
elif [ "$(state)" = "$before" ]; then
  echo "failed: $title; exit 0, but $target was not made; see $log" | tee -a "$log" >&2
  status=1
fi
exit "$status"
