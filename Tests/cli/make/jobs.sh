# make -j2 runs the same stages and gives the same outputs as make.
. "$ROOT/Tests/cli/make/workplace"
run "one job"
mv runs runs.one
run "two jobs" -j2
diff -r --exclude='*.log' runs.one runs && echo "the same"
