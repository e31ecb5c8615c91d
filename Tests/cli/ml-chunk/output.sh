# A full or unwritable output is a failure, and leaves nothing behind.
# needs: ml-chunk model
. "$ROOT/Tests/cli/refuse"
chunk=(ml-chunk --tokenizer "$MODEL")
touch file
mkdir folder
refuse "full disk" bash -c 'ml-chunk --tokenizer "$MODEL" "$READY/demo.jsonl" >/dev/full'
refuse "-o /dev/full" "${chunk[@]}" -o /dev/full "$READY/demo.jsonl"
refuse "no such folder" "${chunk[@]}" -o absent/out.mls "$READY/demo.jsonl"
refuse "below a file" "${chunk[@]}" -o file/out.mls "$READY/demo.jsonl"
refuse "a folder" "${chunk[@]}" -o folder "$READY/demo.jsonl"
refuse "unwritable folder" "${chunk[@]}" -o /proc/out.mls "$READY/demo.jsonl"
ln -s . link
refuse "one file under two names" "${chunk[@]}" -o out.mls --holdout 0.5 --holdout-output link/out.mls "$READY/demo.jsonl"
