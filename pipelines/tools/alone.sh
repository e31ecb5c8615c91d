# alone.sh FOLDER, sourced: waits, and says so, until no other make is at work in FOLDER. Descriptor 99 holds
# the lock, for this process and those that inherit it: makes and stage.sh, which keeps it from the tools.
mkdir -p "$1"
exec 99>>"$1/.lock"
# held: 75 is another's lock; where the file system, or the machine, knows no locks, the user must see to it.
held() {
  local status=0
  flock -n -E 75 99 2>/dev/null || status=$?
  [ "$status" -ne 75 ]
}
if ! held; then
  echo "another make is at work in $1: waiting for it" >&2
  until held; do sleep 1; done
fi
