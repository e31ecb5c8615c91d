"""tokenizer_ids.py BIN DATA TOKENIZER[=REFERENCE]...: ml-chunk's ids of nasty texts and of all documents
under DATA (.jsonl and .jsonl.zst with a `text`) are those of Python's packages. DATA may be - for none.

REFERENCE, where it is not TOKENIZER itself, is a tokenizer.json for `tokenizers` (0.20) or a .model for
`sentencepiece`. Skipped where the package is not there.
"""

import glob
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile

NASTY = [
    " ", "  ", "   a", " a", "a ", "\n", "\r\n", "\r", "\n\n  \n", "a\r\nb\r\n\r\n c", "\t\tx\t", "a\0b\0", "\0",
    "\1\2\x7f\x80\x85\xa0 x", "e\u0301\u0301 \u0301 \u0301a", "a\u030a\u0323 \u1e69 s\u0323\u0307 d\u0307\u0323",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽", "١٢٣٤٥ ५६७ ⅷ ² ³½ 〇一二三 𝟙𝟚𝟛𝟜 12345678901", "1234567 12 3.14159 1,000,000",
    "don't DON'T I'LL we'Ve 'ſ it'ſ 'S's 'rE 'LL'll x'd'D 'm'M 't'T'", "''''' 's", "  's",
    "  \u2003\u2002\u3000\xa0\u200b\u202f\ufeff x", "\u3000\u3000中文 日本語テスト 한국어 ᄒ\u1161\u11ab 가\u11a8",
    "ﬁ ﬀ Ⅳ ㎏ ① Å Å Å K K", "ǅ ß ẞ İ ı ŉ", "\ufffd\ufffe\uffff\U0010ffff\U000e0001", "▁▁a▁b ▁ c",
    "<s>x</s> <s> y<unk>z <s>", "<|begin|>a<|end|> <|end|>b", "<|im_start|>user\nhi<|im_end|>\n", "<0x0A><0x41>",
    "x <|user|>  \n y<|user|>", "a\n\nb\n\n\nc", " " * 100, " " * 100 + "a", "\n" * 50, "a" * 200, "ab" * 300,
    "-" * 300, "=-" * 100, "\t" * 70 + "x", "And wherever Wherever whereverx _wherever wherever. éwherever",
    "x And y  And  And", "in the end  of the end The End", "HELLO World FooBar fooBAR", "a  b   c    d     e",
    "price: $12.50 — “quoted” ‘single’ …", "<html><body>\n\t<p>x</p>\n</body>", "naïve café crème brûlée [MASK]",
    "\u202e\u200fעברית العربية", "ꙮ𒀀𓀀🀄", "a\xadb\u200cc\u200dd", "\U0001f1e9\U0001f1ea",
]
BLOCKS = [
    (0x20, 0x7E), (0x61, 0x62), (0x30, 0x39), (0x20, 0x20), (0, 0x20), (0x80, 0x24F), (0x2000, 0x206F), (0x300, 0x36F),
    (0x370, 0x5FF), (0x900, 0xDFF), (0x1100, 0x11FF), (0x3000, 0x30FF), (0x4E00, 0x4FFF), (0xAC00, 0xD7A3),
    (0xF900, 0xFFFD), (0x1D400, 0x1D7FF), (0x1F300, 0x1F6FF), (0x10FF00, 0x10FFFF), (0x1E00, 0x1FFF), (0x2100, 0x24FF),
]
STRINGS = ["'s", "'LL", "'", " ", "  ", "\r\n", "<s>", "</s>", "<|end|>", "12", "aaaa", "▁", "\n\n", "And", "the end"]


def random_texts(count, seed=1):
    draw = random.Random(seed)
    for _ in range(count):
        text = ""
        while len(text) < draw.randrange(2, 60):
            first, last = draw.choice(BLOCKS)
            text += "".join(chr(draw.randint(first, last)) for _ in range(draw.randint(1, 6)))
            text += draw.choice(STRINGS) if draw.random() < 0.3 else ""
        yield text


def documents(data):
    """Every `text` under a folder."""
    for path in sorted(glob.glob(f"{data}/**/*.jsonl*", recursive=True)):
        command = ["zstdcat" if path.endswith(".zst") else "cat", path]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            rows = [json.loads(line) for line in process.stdout]
        yield from (row["text"] for row in rows if row.get("text"))


def chunked(folder, tokenizer, texts, special):
    """The ids of ml-chunk by document; one without ids has no number."""
    found = [[] for _ in texts]
    with tempfile.TemporaryDirectory() as scratch:
        source, shard = f"{scratch}/in.jsonl", f"{scratch}/out.mls"
        with open(source, "w", encoding="utf-8") as file:
            for text in texts:
                file.write(json.dumps({"text": text}) + "\n")
        options = ["--special-tokens", special, "--chunk-tokens", "1024", "-q", "-o", shard]
        subprocess.run([f"{folder}/ml-chunk", "--tokenizer", tokenizer, *options, source], check=True)
        with subprocess.Popen([f"{folder}/ml-shard", "view", shard], stdout=subprocess.PIPE) as process:
            for line in process.stdout:
                row = json.loads(line)
                found[row["document"]] += row["tokens"]
    return found


def encoder(reference, special):
    """A function from texts to their ids, or nothing where the package has no such mode."""
    if reference.endswith(".model"):
        import sentencepiece

        return sentencepiece.SentencePieceProcessor(model_file=reference).encode if special == "text" else None
    import tokenizers

    if os.path.isdir(reference):
        reference += "/tokenizer.json"
    tokenizer = tokenizers.Tokenizer.from_file(reference)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = special == "text"
    return lambda texts: [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]


def compare(title, folder, tokenizer, reference, texts, special):
    encode = encoder(reference, special)
    if not encode:
        return 0
    found = chunked(folder, tokenizer, texts, special)
    texts, expected = zip(*[pair for pair in zip(texts, encode(texts)) if pair[1]])
    bad = [number for number, ids in enumerate(expected) if ids != found[number]]
    tokens = sum(map(len, expected))
    verdict = f"DIFFERENT in {len(bad)}" if bad else "same"
    print(verdict, tokenizer, title, special, f"{len(texts)} texts, {tokens} ids", flush=True)
    for number in bad[:3]:
        print("  ", repr(texts[number][:100]), expected[number][:16], found[number][:16])
    return len(bad)


def main(folder, data, *tokenizers):
    nasty = NASTY + list(random_texts(3000))
    corpus = [] if data == "-" else list(documents(data))
    failures = 0
    for tokenizer in tokenizers:
        tokenizer, _, reference = tokenizer.partition("=")
        reference = reference or tokenizer
        package = "sentencepiece" if reference.endswith(".model") else "tokenizers"
        if not importlib.util.find_spec(package):
            print(f"skipped: {tokenizer}: the {package} package is needed")
            continue
        for special in ("parse", "text"):
            failures += compare("nasty texts", folder, tokenizer, reference, nasty, special)
        if corpus:
            failures += compare("documents", folder, tokenizer, reference, corpus, "text")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
