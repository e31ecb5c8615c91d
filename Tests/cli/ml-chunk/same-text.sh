# Plain, zstd and gzip JSON lines, and standard input, give the same bytes for any number of threads.
# needs: ml-chunk model
chunk() { ml-chunk -q --tokenizer "$MODEL" --chunk-tokens 32 --segment-tokens 128 "$@"; }
zstd -q -c "$READY/demo.jsonl" >demo.jsonl.zst
gzip -c "$READY/demo.jsonl" >demo.jsonl.gz
for text in "$READY/demo.jsonl" demo.jsonl.zst demo.jsonl.gz; do
  chunk -o out.mls "$text"
  cmp out.mls "$READY/chunks.mls"
done
chunk <"$READY/demo.jsonl" | cmp - "$READY/chunks.mls"
chunk - <"$READY/demo.jsonl" | cmp - "$READY/chunks.mls"
chunk <demo.jsonl.zst | cmp - "$READY/chunks.mls"
chunk --threads 1 -o one.mls "$READY/demo.jsonl"
chunk --threads 2 -o two.mls "$READY/demo.jsonl"
cmp one.mls two.mls
cmp one.mls "$READY/chunks.mls"
# a link to a folder above is no second copy
mkdir -p folder/sub
cp "$READY/demo.jsonl" folder
ln -s .. folder/sub/up
chunk folder | cmp - "$READY/chunks.mls"
