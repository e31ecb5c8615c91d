# A tokenizer that is absent, empty, garbage or cut short is refused.
# needs: ml-chunk model
. "$ROOT/Tests/cli/refuse"
: >empty.gguf
head -c 4096 /dev/zero | tr '\0' '\245' >garbage.gguf
head -c 100000 "$MODEL" >cut.gguf
for model in absent.gguf empty.gguf garbage.gguf cut.gguf .; do
  refuse "$model" ml-chunk --tokenizer "$model" -o out.mls "$READY/demo.jsonl"
done
