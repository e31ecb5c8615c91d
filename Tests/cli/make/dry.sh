# make -n writes nothing.
. "$ROOT/Tests/cli/make/workplace"
sums() {
  find . -type f -not -name calls -not -name 'make.out' -print0 | sort -z | xargs -0 sha256sum
}
run "first make"
before=$(sums)
run "dry" -n TOP_K=4
[ "$(sums)" = "$before" ] && echo "unchanged"
run "and then nothing"
