"""gguf_metadata.py: the metadata of a GGUF file, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md."""

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
