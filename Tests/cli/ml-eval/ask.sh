# The README's question is answered from a page that has left the context, and not without the memory.
# needs: ml-eval model retriever austen
python3 -c 'import json; print(json.loads(input())["text"][:24000])' <"$AUSTEN/persuasion.jsonl" >persuasion.txt
question='"Walter Elliot, born March 1, 1760, married, July 15, 1784, Elizabeth, daughter of'
generate="ml-eval generate -q --model $MODEL --max-tokens 16"
$generate --retriever "$RETRIEVER" --max-tokens 0 --save-memory persuasion.mls persuasion.txt
$generate --retriever "$RETRIEVER" --load-memory persuasion.mls --prompt "$question" --show-retrieved 2>passages |
  grep -o 'James Stevenson'
grep -c 'persuasion.txt, token 128 of .*daughter of James Stevenson' passages
$generate --prompt "$question" persuasion.txt | grep -c Stevenson || true
