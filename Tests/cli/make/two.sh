# Of two makes in one folder the second waits and says so; then it has nothing to do. make -n, -q and help do not wait.
. "$ROOT/Tests/cli/make/workplace"
cat >bin/slow <<'RUN'
#!/usr/bin/env bash
touch slow
while [ -e slow ]; do sleep 0.1; done
rm -f bin/slow.on
exec "$@"
RUN
sed -i '/^touch slow/i [ -e bin/slow.on ] || exec "$@"' bin/slow
chmod +x bin/slow
touch bin/slow.on
: >"$CALLS"
make BIN=bin RUN=slow >first.out 2>&1 &
until [ -e slow ]; do sleep 0.1; done
make BIN=bin >second.out 2>&1 &
until grep waiting second.out; do sleep 0.1; done
make BIN=bin -n >/dev/null && make BIN=bin help >/dev/null && echo "no waiting"
make BIN=bin -q || echo "-q: $?"
[ ! -s "$CALLS" ] || sort "$CALLS" | uniq -c
rm slow
wait %1 && wait %2 && echo "both are done"
tail -n 1 second.out
sort "$CALLS" | uniq -c | awk '$1 > 11'
# What a killed make left running still holds the folder.
touch bin/slow.on
make BIN=bin RUN=slow TOP_K=4 >first.out 2>&1 &
until [ -e slow ]; do sleep 0.1; done
{ kill -KILL $! && wait $!; } 2>/dev/null || true
flock -n runs/demo/.lock true || echo "held"
rm slow
flock runs/demo/.lock echo "free"
