# Memory that RAM has no share for lies under TMPDIR, which changes no bit; a TMPDIR that cannot hold it is
# one line, and no output is left.
# needs: ml-eval ml-index model retriever
. "$ROOT/Tests/cli/refuse"
ml-chunk -q --tokenizer "$MODEL" --chunk-tokens 32 --segment-tokens 128 --max-tokens 500 \
  -o chunks.mls "$READY/demo.jsonl"
ml-embed -q --model "$RETRIEVER" --block-tokens 64 chunks.mls | ml-index -q --top-k 2 -o plan.mls
run=(ml-eval lm -q --model "$MODEL" --memory-layer 0 --retrieval-layers 0-29 --memory-source own
  --positions continual --plan plan.mls)
mkdir tmp
"${run[@]}" --scores ram.mls -o result.json chunks.mls
TMPDIR=$PWD/tmp "${run[@]}" --memory-in-ram 0 --scores file.mls -o result.json chunks.mls
cmp ram.mls file.mls
ls -A tmp
# a chunk is 737 kB: the first is in RAM, the next is not
TMPDIR=$PWD/tmp "${run[@]}" --memory-in-ram 1 --scores both.mls -o result.json chunks.mls
cmp ram.mls both.mls
rm result.json
export TMPDIR=$PWD/absent
refuse "no TMPDIR" "${run[@]}" --memory-in-ram 0 -o result.json chunks.mls
export TMPDIR=$PWD/tmp
limited() {
  (
    ulimit -f 1000
    "$@"
  )
}
refuse "full TMPDIR" limited "${run[@]}" --memory-in-ram 0 -o result.json chunks.mls
ls -A tmp
refuse "no size" "${run[@]}" --memory-in-ram=-1 -o result.json chunks.mls
