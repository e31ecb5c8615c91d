# Inputs without documents are counted, a folder's other files named, and with --on-error skip bad ones left out.
# needs: ml-chunk ml-shard model
chunk() {
  echo "ml-chunk $*"
  status=0
  ml-chunk --tokenizer "$MODEL" --no-provenance -o out.mls "$@" 2>messages || status=$?
  grep -v 'tokens/s' messages | sed 's/^/  /' || true
  echo "  exit $status"
  if [ $status = 0 ]; then
    ml-shard view out.mls | grep -o '"text":"[^"]*"' | sed 's/^/  /'
    rm out.mls
  else
    [ ! -e out.mls ]
  fi
}
echo '{"text": "of a"}' >a.jsonl
: >b.jsonl
echo '{"text": "of c"}' >c.jsonl
chunk a.jsonl b.jsonl c.jsonl
chunk b.jsonl
chunk b.jsonl b.jsonl
chunk -q a.jsonl b.jsonl

mkdir -p folder/deep
echo '{"text": "lines", "score": NaN, "range": [-Infinity, Infinity]}' >folder/a.jsonlines
printf '# Heading' >folder/b.md
printf 'restructured' >folder/deep/c.rst
: >folder/empty.txt
echo 'About the folder.' >folder/README.md
for name in d.parquet e.pdf f.py g.csv h.html i.bin deep/j; do echo x >"folder/$name"; done
chunk folder
chunk folder/README.md

printf '{"text": "first"}\n{"text": 7}\n{"text": "third"}\n{"txt": 1}\n' >bad.jsonl
gzip -c a.jsonl | head -c 20 >cut.jsonl.gz
mkdir none
chunk bad.jsonl a.jsonl
chunk --on-error skip bad.jsonl cut.jsonl.gz absent.jsonl none a.jsonl
chunk --on-error skip -q bad.jsonl
chunk --on-error skip absent.jsonl
chunk --on-error skip a.jsonl
