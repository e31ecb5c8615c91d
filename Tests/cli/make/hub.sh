# make -n plans the published run with nothing fetched, and writes nothing; a recipe fetches what it names.
. "$ROOT/Tests/cli/make/workplace"
rm -r cache .build
sums() { find . -type f -not -name calls -not -name make.out -print0 | sort -z | xargs -0 sha256sum; }
before=$(sums)
unset HF_HOME HF_HUB_CACHE HUGGINGFACE_HUB_CACHE
run "dry" -n PIPELINE=memlong-3b
[ "$(sums)" = "$before" ] && echo "unchanged"
grep -o 'hub.py' make.out | uniq -c
for stage in chunk embed index train evaluate report; do
  echo "$stage $(grep -c "^exec pipelines/tools/stage.sh '[0-9]/8 $stage" make.out)"
done
tr ' ' '\n' <make.out | grep -o "'.*=hf://.*'" | sort -u

echo "--- receipts"
mkdir -p .build cache/huggingface/hub
touch .build/packages
# Stands in for the client: every address is one file of the cache.
mkdir -p pypi/huggingface_hub/bin
cat >pypi/huggingface_hub/bin/python <<'PY'
#!/usr/bin/env bash
echo fetch >>"$CALLS"
mkdir -p "$2"
for argument in "${@:3}"; do
  file=$XDG_CACHE_HOME/huggingface/hub/${argument%%=*}
  touch "$file"
  printf '%s\n' "${argument#*=}" "$file 0 unchecked" >"$2/${argument%%=*}.new"
  cmp -s "$2/${argument%%=*}.new" "$2/${argument%%=*}" || cp "$2/${argument%%=*}.new" "$2/${argument%%=*}"
done
PY
chmod +x pypi/huggingface_hub/bin/python
grep '^huggingface_hub' pipelines/tools/pypi.txt >pypi/huggingface_hub/pin
printf '#!/bin/sh\n' >bin/duckdb
chmod +x bin/duckdb
recipe="PIPELINE=memlong-3b PYPI=$PWD/pypi"
run "first" $recipe
run "second" $recipe
sleep 0.1
run "more rows" $recipe slimpajama.rows=4000
run "as before" $recipe
sleep 0.1
run "another book" $recipe pg19.from=hf://datasets/org/books@main/a.jsonl
run "the same" $recipe pg19.from=hf://datasets/org/books@main/a.jsonl
rm cache/huggingface/hub/wikitext
sleep 0.1
run "a lost file" $recipe pg19.from=hf://datasets/org/books@main/a.jsonl
