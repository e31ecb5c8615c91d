"""gguf_tokenizer.py: SmolLM2's tokenizer, from the metadata of its GGUF file
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), as the tokenizers package has it.
"""

import struct

NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9


def metadata(path):
    with open(path, "rb") as file:

        def number(code):
            return struct.unpack("<" + code, file.read(struct.calcsize("<" + code)))[0]

        def value(kind):
            if kind == STRING:
                return file.read(number("Q")).decode()
            if kind == ARRAY:
                kind, count = number("I"), number("Q")
                return [value(kind) for _ in range(count)]
            return number(NUMBERS[kind])

        magic, _, _, count = file.read(4), number("I"), number("Q"), number("Q")
        assert magic == b"GGUF", f"{path} is no GGUF file"
        return {value(STRING): value(number("I")) for _ in range(count)}


def byte_pairs(path):
    """Byte-level pairs behind single digits."""
    import tokenizers as library

    fields = metadata(path)
    ids = {token: index for index, token in enumerate(fields["tokenizer.ggml.tokens"])}
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = library.Tokenizer(library.models.BPE(ids, merges))
    tokenizer.pre_tokenizer = library.pre_tokenizers.Sequence([
        library.pre_tokenizers.Digits(individual_digits=True),
        library.pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = library.decoders.ByteLevel()
    return tokenizer
