"""Counts the scalars that Hugging Face's tokenizers and ml-chunk turn into other ids.

unicode_tables.py BIN: BIN holds ml-chunk and ml-shard. Needs tokenizers (the README's counts: 0.23.3);
every scalar below U+40000 stands between two letters, in a document of its own.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import tokenizers

TOOLS = pathlib.Path(sys.argv[1])
FIXTURES = pathlib.Path(__file__).parents[1] / "Fixtures" / "tokenizer-json"
SCALARS = [code for code in range(0x20, 0x40000) if not 0xD800 <= code < 0xE000]
TEXTS = [f"a{chr(code)}b" for code in SCALARS]


def ids_of_tool(folder, tokenizer):
    lines, shard = folder / "texts.jsonl", folder / "texts.mls"
    lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    sizes = ["--chunk-tokens", "64", "--segment-tokens", "64"]
    subprocess.run([TOOLS / "ml-chunk", "--tokenizer", tokenizer, "-q", *sizes, "-o", shard, lines], check=True)
    rows = subprocess.run([TOOLS / "ml-shard", "view", shard], check=True, capture_output=True, text=True).stdout
    ids = [json.loads(row)["tokens"] for row in rows.split("\n") if row]
    assert len(ids) == len(TEXTS), f"{len(ids)} documents"
    return ids


def count(name, text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "tokenizer.json"
        path.write_text(text)
        reference = tokenizers.Tokenizer.from_file(str(path))
        theirs = [encoding.ids for encoding in reference.encode_batch(TEXTS, add_special_tokens=False)]
        ours = ids_of_tool(pathlib.Path(folder), path)
    other = [code for code, own, their in zip(SCALARS, ours, theirs) if own != their]
    print(f"{name}: {len(other)}", " ".join(f"U+{code:04X}" for code in other[:10]), flush=True)


for form in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase"]:
    count(form, (FIXTURES / "qwen2.json").read_text().replace('"NFC"', f'"{form}"'))
for name in ["gpt-2.json", "llama-bpe.json", "smollm.json", "bert/tokenizer.json"]:
    count(name, (FIXTURES / name).read_text())
