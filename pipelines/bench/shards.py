"""shards.py FILE ROWS DIMENSION EVERY: writes embeddings of seeded random vectors, as large as wanted.

The format is Sources/ShardIO/FORMAT.md. Only the standard library, the zstd command and libxxhash.
"""

import ctypes
import json
import random
import struct
import subprocess
import sys

ROWS = 2048  # rows of a block
SEGMENT = 8  # chunks of a segment


class Hash:
    """XXH3-128 of bytes that come in pieces."""

    def __init__(self):
        self.library = library = ctypes.CDLL("libxxhash.so.0")
        library.XXH3_createState.restype = ctypes.c_void_p
        library.XXH3_128bits_update.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        self.state = ctypes.c_void_p(library.XXH3_createState())
        library.XXH3_128bits_reset(self.state)

    def update(self, data):
        self.library.XXH3_128bits_update(self.state, data, len(data))

    def digest(self):
        class Words(ctypes.Structure):
            _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]

        self.library.XXH3_128bits_digest.argtypes = [ctypes.c_void_p]
        self.library.XXH3_128bits_digest.restype = Words
        words = self.library.XXH3_128bits_digest(self.state)
        return struct.pack(">QQ", words.high, words.low)


def halves(count, generator):
    """`count` F16 numbers: random sign and mantissa, magnitude in 1/32 ..< 1/16."""
    bits = int.from_bytes(generator.randbytes(2 * count), "little")
    kept = int.from_bytes(b"\xff\x83" * count, "little")
    exponent = int.from_bytes(b"\x00\x28" * count, "little")
    return (bits & kept | exponent).to_bytes(2 * count, "little")


def buffer(tensors, metadata):
    """A safetensors buffer, and its data alone."""
    header, data = {"__metadata__": metadata}, b""
    for name, kind, shape, content in tensors:
        end = len(data) + len(content)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), end]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data, data


def frame(content):
    command = ["zstd", "-q", "-1", "--check", f"--stream-size={len(content)}", "-c"]
    return subprocess.run(command, input=content, stdout=subprocess.PIPE, check=True).stdout


def write_embeddings(path, rows, dimension, every, seed=1):
    """Keys [rows, dimension] in segments of 8, a query at `every` so many rows, all of one document."""
    generator = random.Random(seed)
    parameters = {
        "dimension": str(dimension), "model": json.dumps({"name": "random", "digest": "0" * 32}),
        "query": "previous", "query_tokens": "128", "block_tokens": "1024", "chunks_digest": "0" * 32,
        "chunk_tokens": "128", "segment_tokens": "1024", "pack": "document",
    }
    # Drawing numbers is slow and a memory of 256 chunks never sees a vector twice: one block's serve all.
    keys, queries = halves(ROWS * dimension, generator), halves(-(-ROWS // every) * dimension, generator)
    digest, blocks = Hash(), 0
    with open(path, "wb") as out:
        for first in range(0, rows, ROWS):
            count = min(ROWS, rows - first)
            asking = range(-(-first // every) * every, first + count, every)
            segments = [row // SEGMENT for row in range(first, first + count)]
            tensors = [
                ("document", "I64", [count], bytes(8 * count)),
                ("query_row", "I64", [len(asking)], struct.pack(f"<{len(asking)}q", *asking)),
                ("segment", "I32", [count], struct.pack(f"<{count}i", *segments)),
                ("keys", "F16", [count, dimension], keys[: 2 * count * dimension]),
                ("queries", "F16", [len(asking), dimension], queries[: 2 * len(asking) * dimension]),
            ]
            metadata = {
                "format": "memlong/1", "kind": "embeddings", "block": str(blocks),
                "first_row": str(first), "rows": str(count),
            }
            content, data = buffer(tensors, metadata | (parameters if blocks == 0 else {}))
            digest.update(data)
            out.write(frame(content))
            blocks += 1
        out.write(struct.pack("<II", 0x184D2A5E, 40) + b"MLEND\0\0\1")
        out.write(struct.pack("<QQ", blocks, rows) + digest.digest())


if __name__ == "__main__":
    write_embeddings(sys.argv[1], *map(int, sys.argv[2:]))
