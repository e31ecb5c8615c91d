# TERM to make reaches the tool, which has the time to end as it wants; make and stage.sh end after it.
. "$ROOT/Tests/cli/make/workplace"
mv bin/ml-embed bin/embed
cat >bin/ml-embed <<'TOOL'
#!/usr/bin/env bash
[ "${1:-}" != --version ] || exec "${0%/*}/embed" --version
for signal in TERM INT HUP; do
  trap "kill \$!; sleep 0.3; echo ended by $signal >>said; exit 75" $signal
done
trap 'echo asked by USR1 >>said' USR1
sleep 60 &
touch started
while :; do wait; done
TOOL
chmod +x bin/ml-embed
sed -i 's/version ml-embed 1/version embed 1/' bin/versions
# begin COMMAND…: runs it until the tool has started; $! is it
begin() {
  rm -f started
  "$@" >make.out 2>&1 &
  until [ -e started ]; do sleep 0.1; done
}
# end TITLE: waits for what was begun
end() {
  local status=0
  wait $! || status=$?
  echo "$1: exit $status; $(paste -sd, said)"
  rm said
}
begin make BIN=bin
kill -TERM $!
end "TERM to make" 2>/dev/null
grep -h '^# exit' runs/demo/embeddings/*.log | sed 's/after .*//'
for signal in TERM HUP; do
  begin pipelines/tools/stage.sh title target log bin/ml-embed
  kill -$signal $!
  end "$signal to stage.sh"
done
begin pipelines/tools/stage.sh title target log bin/ml-embed
kill -USR1 $!
until [ -e said ]; do sleep 0.1; done
kill -TERM $!
end "USR1, then TERM"
