# What gzip reads with a warning is read with one, and so is what zstd reads with --long alone.
# needs: ml-chunk ml-shard model
text() {
  echo "$1"
  status=0
  ml-chunk --tokenizer "$MODEL" --no-provenance -o out.mls "$1" 2>messages || status=$?
  grep -v 'tokens/s' messages | sed 's/^/  /' || true
  echo "  exit $status"
  [ $status != 0 ] || ml-shard view out.mls | grep -o '"text":"[^"]*"' | sed 's/^/  /'
  rm -f out.mls
}
echo '{"text": "one"}' >one.jsonl
echo '{"text": "two"}' >two.jsonl
{ gzip -c one.jsonl && gzip -c two.jsonl && echo rubbish; } >rubbish.jsonl.gz
{ gzip -c one.jsonl && printf '\037x'; } >half-magic.jsonl.gz
{ gzip -c one.jsonl && printf '\0\0'; } >padded.jsonl.gz
{ echo rubbish && gzip -c one.jsonl; } >first.jsonl.gz
{ gzip -c one.jsonl && gzip -c two.jsonl | head -c 25; } >cut.jsonl.gz
zstd -q --long=31 -c <one.jsonl >long.jsonl.zst
for name in rubbish half-magic padded first cut; do text $name.jsonl.gz; done
text long.jsonl.zst
