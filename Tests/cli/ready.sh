# Inputs that many cases share, made by the tools from a small generated text.
python3 - <<'PY'
import json
names = "Anne Elliot Walter Harville Wentworth Louisa Musgrove Russell Croft Benwick".split()
acts = "walked spoke wrote listened smiled hoped waited returned danced remembered".split()
places = "to the harbour|in the garden|near the old church|by the sea|at the concert".split("|")
state = 1
def pick(items):
    global state
    state = (state * 1103515245 + 12345) % 2**31
    return items[(state >> 16) % len(items)]
with open("demo.jsonl", "w") as file:
    for document in range(4):
        sentences = [f"{pick(names)} {pick(acts)} {pick(places)}." for _ in range(60 + 20 * document)]
        record = {"text": " ".join(sentences), "meta": {"redpajama_set_name": "RedPajamaBook"}}
        file.write(json.dumps(record) + "\n")
PY
ml-chunk --tokenizer "$MODEL" --chunk-tokens 32 --segment-tokens 128 -o chunks.mls demo.jsonl
ml-embed --model "$RETRIEVER" --query previous --query-tokens 64 --block-tokens 64 \
  -o embeddings.mls chunks.mls
ml-index --top-k 2 --memory-tokens 256 -o plan.mls embeddings.mls
