"""events.py FILE…: prints TensorBoard event files, a value a line; fails on a wrong checksum.

It decodes records and protobuf messages by hand, from the formats' specifications.
"""

import struct
import sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def check(data, stored):
    crc = crc32c(data)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    if masked != stored:
        sys.exit(f"checksum {stored:08x}, expected {masked:08x}")


def records(data):
    at = 0
    while at < len(data):
        (length, crc) = struct.unpack_from("<QI", data, at)
        check(data[at : at + 8], crc)
        payload = data[at + 12 : at + 12 + length]
        check(payload, struct.unpack_from("<I", data, at + 12 + length)[0])
        yield payload
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            code = {1: "<d", 5: "<f"}[key & 7]
            (value,) = struct.unpack_from(code, data, at)
            at += struct.calcsize(code)
        yield key >> 3, value


for path in sys.argv[1:]:
    for record in records(open(path, "rb").read()):
        event = dict(fields(record))
        step = event[2]
        if event[1] < 1.5e9:
            sys.exit(f"wall time {event[1]}")
        if 3 in event:
            print(step, "version", event[3].decode())
        if 7 in event and dict(fields(event[7])) == {1: 1}:
            print(step, "start")
        for _, value in fields(event.get(5, b"")):
            scalar = dict(fields(value))
            print(step, scalar[1].decode(), scalar[2])
