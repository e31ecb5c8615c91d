"""data.py BIN DATA TOKENIZER: whole corpora through ml-chunk; every count of tokens is that of the
sentencepiece package on the same texts. Skipped where the package or DATA is not there.

DATA holds train/*.jsonl.zst, eval/, parquet/ (read with the duckdb package, where it is installed),
ids-variant.jsonl.zst of TOKENIZER's ids; TOKENIZER is a SentencePiece model.
"""

import glob
import importlib.util
import json
import os
import re
import subprocess
import sys


def lines(path):
    command = ["zstdcat", path] if path.endswith(".zst") else ["cat", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        yield from map(json.loads, process.stdout)


def texts(*paths):
    return [row["text"] for path in paths for row in lines(path)]


def chunked(tool, tokenizer, inputs, options=(), stdin=None):
    """Documents and tokens that ml-chunk speaks of."""
    command = [tool, "--tokenizer", tokenizer, *options, "-o", "/dev/null", *inputs]
    said = subprocess.run(command, input=stdin, check=True, stderr=subprocess.PIPE).stderr.decode()
    return tuple(map(int, re.search(r"(\d+) documents, .*?(\d+) tokens", said).groups()))


def cases(data, encoder):
    """Title, texts, inputs or a query of Parquet, options."""
    files = sorted(glob.glob(f"{data}/train/*.jsonl.zst"))
    yield "SlimPajama's folder", texts(*files), [f"{data}/train"], []
    books = sorted(glob.glob(f"{data}/eval/pg19-like/*.jsonl"))
    yield "PG19's folder", texts(*books), [f"{data}/eval/pg19-like"], []
    for name in ("bookcorpus-like", "proof-pile-like", "wikitext"):
        path = f"{data}/eval/{name}.jsonl"
        yield name, texts(path), [path], []
    raw = f"{data}/eval/wikitext-103-raw/wiki.test.raw"
    yield "wiki.test.raw, headings", texts(f"{data}/eval/wikitext.jsonl"), [raw], ["--join", "headings"]
    yield "wiki.test.raw, all", [open(raw, encoding="utf-8", newline="").read()], [raw], ["--join", "all"]
    rows = list(lines(f"{data}/ids-variant.jsonl.zst"))
    decoded = [
        encoder.decode(row["input_ids"][span["start"] : span["end"]]) for row in rows for span in row["source"]
    ]
    yield "rows of ids", decoded, [f"{data}/ids-variant.jsonl.zst"], ["--ids-tokenizer"]
    yield "rows of ids, Parquet", decoded, "ids-variant", ["--ids-tokenizer"]


def parquet(path):
    """A Parquet file's rows as JSON lines, as `duckdb -c "COPY … TO '/dev/stdout' (FORMAT JSON)"` says them."""
    query = f"COPY (SELECT * FROM '{path}') TO '/dev/stdout' (FORMAT JSON)"
    command = [sys.executable, "-c", f"import duckdb; duckdb.sql({query!r})"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def main(folder, data, tokenizer):
    if not importlib.util.find_spec("sentencepiece") or not os.path.isdir(data):
        print("skipped: the sentencepiece package and a folder of texts are needed")
        return 0
    import sentencepiece

    encoder = sentencepiece.SentencePieceProcessor(model_file=tokenizer)
    failures = 0
    for title, documents, inputs, options in cases(data, encoder):
        stdin = None
        if isinstance(inputs, str):
            if not importlib.util.find_spec("duckdb"):
                print(f"skipped: {title}: the duckdb package is needed")
                continue
            (path,) = glob.glob(f"{data}/parquet/{inputs}-*.parquet")
            inputs, stdin = [], parquet(path)
        options = options + [tokenizer] if options == ["--ids-tokenizer"] else options
        found = chunked(os.path.join(folder, "ml-chunk"), tokenizer, inputs, options, stdin)
        expected = (len(documents), sum(map(len, encoder.encode(documents))))
        print("same     " if found == expected else f"DIFFERENT {expected}", title, *found, flush=True)
        failures += found != expected
    return 1 if failures else 0


sys.exit(main(*sys.argv[1:]))
