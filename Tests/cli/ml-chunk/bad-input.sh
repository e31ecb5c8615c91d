# Every bad text ends with one line, status 1 and no output.
# needs: ml-chunk model
. "$ROOT/Tests/cli/refuse"
: >empty.jsonl
mkdir folder && echo "no text" >folder/MANIFEST.tsv
head -c 4096 /dev/zero | tr '\0' '\245' >garbage.jsonl
printf '{"text": "fine"}\n{"text": "\377\376"}\n' >not-utf8.jsonl
printf '{"text": "fine"}\n{"title": "no text"}\n' >no-field.jsonl
printf '{"text": 7}\n' >not-a-string.jsonl
printf '{"text": "fine"}\n{"text": "cut\n' >cut.jsonl
printf '["text"]\n' >not-an-object.jsonl
printf '\377\376 plain\n' >not-utf8.txt
zstd -q -c "$READY/demo.jsonl" | head -c 300 >cut.jsonl.zst
gzip -c "$READY/demo.jsonl" | head -c 300 >cut.jsonl.gz
for text in empty.jsonl garbage.jsonl not-utf8.jsonl no-field.jsonl not-a-string.jsonl cut.jsonl \
  not-an-object.jsonl not-utf8.txt cut.jsonl.zst cut.jsonl.gz absent.jsonl folder; do
  refuse "$text" ml-chunk --tokenizer "$MODEL" -o out.mls "$text"
done
