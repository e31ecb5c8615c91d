"""novels.py Rdata.rdb FOLDER: the novels of Debian's r-cran-janeaustenr as JSON lines.

The file holds one novel after another, each a 4-byte big-endian length (of the data once
inflated) and a zlib stream of R's serialisation of a character vector: the number of lines as
4 big-endian bytes at offset 27, then for each line a 4-byte flag word, a 4-byte big-endian
length and the bytes. The first line is the title. FOLDER receives a file per novel, named by
its title in lower case (pride-and-prejudice.jsonl), with one object in it.
"""

import json
import os
import struct
import sys
import zlib


def lines(vector):
    (count,), at = struct.unpack_from(">I", vector, 27), 31
    for _ in range(count):
        _, length = struct.unpack_from(">Ii", vector, at)
        at += 8
        if length < 0 or at + length > len(vector):
            raise ValueError("a line's length is out of range")
        yield vector[at : at + length].decode("utf-8")
        at += length


def novels(data):
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        stream = zlib.decompressobj()
        vector = stream.decompress(data[at + 4 :]) + stream.flush()
        if len(vector) != length:
            raise ValueError(f"a novel has {len(vector)} bytes where {length} are announced")
        yield list(lines(vector))
        at = len(data) - len(stream.unused_data)


source, folder = sys.argv[1:]
os.mkdir(folder)
with open(source, "rb") as file:
    data = file.read()
for novel in novels(data):
    title = novel[0].title().replace(" And ", " and ")
    record = {
        "text": "\n".join(novel) + "\n",
        "meta": {"redpajama_set_name": "RedPajamaBook"},
        "title": title,
    }
    name = title.lower().replace(" ", "-") + ".jsonl"
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
    print(f"{name}: {len(novel)} lines, {len(record['text'])} characters")
