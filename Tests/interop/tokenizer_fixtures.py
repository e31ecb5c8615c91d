"""Writes Tests/Fixtures/tokenizer-json with the PyPI packages tokenizers (0.20.3), sentencepiece (0.2.1) and
gguf (0.19.0): small tokenizers of every kind that is read, and the ids that the packages give.

    python3 Tests/interop/tokenizer_fixtures.py Tests/Fixtures/tokenizer-json
"""

import io
import json
import os
import sys

import gguf
import sentencepiece
from tokenizer_ids import NASTY, random_texts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

PROSE = """It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness.
We've said that they'll come, haven't we? I'm sure he'd say so: "Don't," she'd answered; and it's over. IT'S 1234 or 12.
The quick brown fox jumps over the lazy dog 3141592 times; wherever the end is, And whatever there was before it.
Vive la République ! Où êtes-vous ? Grüße aus Köln, naïve café crème brûlée. Привет, мир, как дела? Что это за мир?
def f(x):\n    if x > 0:\n        return x * 2\n    return None\n\n\tfor i in range(10): print(i)\n
中文和日本語と한국어 are here, 中文 again, and again 日本語. Numbers such as 1999, 2024 and 100000 are here as well.
"""
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEFAULT = [r"[\p{P}$+<=>^~|]+", GPT2.removesuffix(r"|\s+"), r"\p{N}+", "[0-9][0-9][0-9]"]
CONTROL = ["<s>", "</s>", "<|begin|>", "<|end|>"]


def split(expression, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(expression), behavior, invert)


def byte_level(*steps, splits=False, prefix=False):
    last = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=splits)
    return pre_tokenizers.Sequence([*steps, last]) if steps else last


def trained(pre_tokenizer, normalizer=None, added=(), **options):
    """A byte-level tokenizer of 300 merges."""
    tokenizer = Tokenizer(models.BPE(**options))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=560, special_tokens=CONTROL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([PROSE], trainer)
    tokenizer.add_tokens(list(added))
    return tokenizer


def byte_level_cases():
    yield "gpt-2", trained(byte_level(splits=True))
    yield "smollm", trained(byte_level(pre_tokenizers.Digits(True), splits=True))
    llama = trained(byte_level(split(LLAMA3)), ignore_merges=True)
    llama.post_processor = processors.Sequence([
        processors.ByteLevel(),
        processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", 2)]),
    ])
    yield "llama-bpe", llama
    tool = AddedToken("<|user|>", special=False, normalized=False)
    yield "qwen2", trained(byte_level(split(LLAMA3.replace("{1,3}", ""))), normalizers.NFC(), [tool])
    yield "default", trained(byte_level(*map(split, DEFAULT)))
    added = [
        AddedToken("wherever", single_word=True, normalized=True),
        AddedToken("And", lstrip=True, rstrip=True, normalized=False),
        AddedToken("the end", rstrip=True, normalized=True),
    ]
    steps = [
        split(r"\p{Lu}\p{Ll}*", "merged_with_previous"), pre_tokenizers.Split(" ", "merged_with_next"),
        pre_tokenizers.Digits(False),
    ]
    forms = [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"[\t ]{2,}"), " ")]
    yield "other-merged", trained(byte_level(*steps, prefix=True), normalizers.Sequence(forms), added)
    steps = [split("[aeiou]+", "contiguous"), split(r"\s+", "removed"), split("x*", invert=True)]
    yield "other-removed", trained(byte_level(*steps, splits=True), normalizers.NFD())
    yield "other-inverted", trained(byte_level(split(r"\s?\p{L}+|\p{N}", "removed", True)), normalizers.NFKD())


def scored(symbols=()):
    """A byte-pair SentencePiece model of 700 pieces, among them all bytes and the user-defined ones given."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(PROSE.split("\n")), model_writer=model, model_type="bpe", vocab_size=700,
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        user_defined_symbols=symbols, minloglevel=2, num_threads=1,
    )
    return model.getvalue()


def merges(pieces, scores):
    """Every two pieces that make a third, in the order of its score."""
    ids = {piece: number for number, piece in enumerate(pieces)}
    found = []
    for piece, score in zip(pieces, scores):
        halves = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
        found += [(score, *half) for half in halves if half[0] in ids and half[1] in ids]
    return [(left, right) for _, left, right in sorted(found, key=lambda merge: -merge[0])]


def character_case(pieces, scores, normalizer=None, pre_tokenizer=None, added=(), fallback=True, fuse=True, normalized=False):
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(
        vocab=vocabulary, merges=merges(pieces, scores), unk_token="<unk>", fuse_unk=fuse, byte_fallback=fallback
    ))
    special = [AddedToken(text, special=True, normalized=normalized) for text in ("<unk>", "<s>", "</s>")]
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens(list(added))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)
    ])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def character_cases(pieces, scores):
    spaces = normalizers.Replace(" ", "▁")
    prepend = normalizers.Sequence([normalizers.Prepend("▁"), spaces])
    metaspace = pre_tokenizers.Metaspace
    yield "legacy", character_case(pieces, scores, prepend)
    yield "legacy-normalized", character_case(pieces, scores, prepend, normalized=True)
    added = [AddedToken("<|user|>", normalized=False, rstrip=True), AddedToken("  ", normalized=True)]
    yield "first", character_case(pieces, scores, None, metaspace("▁", prepend_scheme="first", split=False), added)
    yield "always", character_case(
        pieces, scores, None, metaspace("▁", prepend_scheme="always", split=True), fallback=False, fuse=False
    )
    never = pre_tokenizers.Split(" ", "merged_with_previous")
    yield "never", character_case(pieces, scores, spaces, never, added, fallback=False)


def word_piece():
    letters = sorted(set("abcdefghijklmnopqrstuvwxyz0123456789.,!?'中文"))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), "the", "##ing"]
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(words[:5])
    return tokenizer, words


def write_gguf(path, model, **fields):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    for name, value in fields.items():
        getattr(writer, f"add_{name}")(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_byte_level_gguf(path, rule):
    """The GGUF of a byte-level tokenizer.json."""
    file = json.load(open(path, encoding="utf-8"))
    kinds = {token["id"]: 3 if token["special"] else 4 for token in file["added_tokens"]}
    tokens = {number: token for token, number in file["model"]["vocab"].items()}
    tokens.update({token["id"]: token["content"] for token in file["added_tokens"]})
    write_gguf(
        path.replace(".json", ".gguf"), "gpt2", tokenizer_pre=rule, token_list=[tokens[id] for id in sorted(tokens)],
        token_types=[kinds.get(id, 1) for id in sorted(tokens)],
        token_merges=[" ".join(merge) for merge in file["model"]["merges"]],
    )


def write_scored(folder, name, texts, symbols=()):
    """A SentencePiece model and its GGUF; returns its pieces, their scores and the ids of the texts."""
    model = scored(symbols)
    open(f"{folder}/{name}.model", "wb").write(model)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    count = range(processor.get_piece_size())
    pieces, scores = list(map(processor.id_to_piece, count)), list(map(processor.get_score, count))
    kinds = [
        2 if processor.is_unknown(id) else 3 if processor.is_control(id) else 6 if processor.is_byte(id)
        else 4 if pieces[id] in symbols else 1 for id in count
    ]
    write_gguf(
        f"{folder}/{name}.gguf", "llama", token_list=pieces, token_scores=scores, token_types=kinds,
        bos_token_id=1, eos_token_id=2,
    )
    return pieces, scores, {"text": processor.encode(texts)}


def main(folder):
    os.makedirs(f"{folder}/llama", exist_ok=True)
    os.makedirs(f"{folder}/bert", exist_ok=True)
    texts = [text for text in NASTY if len(text) <= 200] + list(random_texts(40, seed=2))
    cases = {}

    def record(name, path):
        tokenizer = Tokenizer.from_file(path)  # once read, its added tokens are normalised
        cases[name] = {}
        for special in ("parse", "text"):
            tokenizer.encode_special_tokens = special == "text"
            cases[name][special] = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]

    for name, tokenizer in byte_level_cases():
        tokenizer.save(f"{folder}/{name}.json", pretty=False)
        record(f"{name}.json", f"{folder}/{name}.json")
        if not name.startswith("other"):
            write_byte_level_gguf(f"{folder}/{name}.json", name)

    pieces, scores, cases["llama/tokenizer.model"] = write_scored(f"{folder}/llama", "tokenizer", texts)
    cases["llama/tokenizer.gguf"] = cases["llama/tokenizer.model"]
    _, _, cases["user.model"] = write_scored(folder, "user", texts, ["<|user|>", "▁▁", "\n\n"])
    cases["user.gguf"] = cases["user.model"]
    for name, tokenizer in character_cases(pieces, scores):
        tokenizer.save(f"{folder}/{name}.json", pretty=False)
        record(f"{name}.json", f"{folder}/{name}.json")
    # The folder of a model: both files, and what the configuration names.
    os.replace(f"{folder}/legacy.json", f"{folder}/llama/tokenizer.json")
    cases["llama"] = cases.pop("legacy.json")
    configuration = {"bos_token": "<unk>", "eos_token": {"content": "</s>"}}
    json.dump(configuration, open(f"{folder}/llama/tokenizer_config.json", "w"))

    tokenizer, words = word_piece()
    tokenizer.save(f"{folder}/bert/tokenizer.json", pretty=False)
    open(f"{folder}/bert/vocab.txt", "w", encoding="utf-8").writelines(f"{word}\n" for word in words)
    record("bert", f"{folder}/bert/tokenizer.json")
    del cases["bert"]["text"]  # the package has no such mode for texts of WordPiece's own tokens
    with open(f"{folder}/cases.json", "w", encoding="utf-8") as file:
        json.dump({"texts": texts, "cases": cases}, file, separators=(",", ":"))


main(sys.argv[1])
