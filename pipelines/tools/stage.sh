#!/usr/bin/env bash
# stage.sh TITLE LOG COMMAND…: a banner, then COMMAND; LOG gets the command on top, and below it the
# messages (which are shown as well), the exit status and the time.
set -eu -o pipefail
title=$1 log=$2
shift 2
mkdir -p "$(dirname "$log")"
echo "=== $title ==="
printf '%s' '#' >"$log"
printf ' %q' "$@" >>"$log"
printf '\n' >>"$log"
status=0
{ "$@" 2>&1 >&3 | tee -a "$log" >&2; } 3>&1 || status=$?
echo "# exit $status after $SECONDS s" >>"$log"
[ "$status" -eq 0 ] || echo "failed: $title; see $log" >&2
exit "$status"
