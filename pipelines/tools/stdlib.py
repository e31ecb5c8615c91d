"""stdlib.py LIBRARY FOLDER: Python's standard library as JSON lines, for Debian's libpython3.11-stdlib.

A document is a package, its files in the order of their names, each after a line `# path`; or a module of
its own, of at least 40,000 bytes. FOLDER receives a file a document, named by the package or module
(asyncio.jsonl, argparse.jsonl), with one object in it.
"""

import json
import os
import pathlib
import sys

LEAST = 40_000
# Tests and tables of data are no text that anybody would read on.
SKIPPED = {"__pycache__", "test", "pydoc_data", "encodings", "lib-dynload"}


def joined(library, files):
    parts = []
    for file in files:
        text = file.read_text(encoding="utf-8", errors="strict")
        parts.append(f"# {file.relative_to(library)}\n{text}")
    return "\n".join(parts)


def documents(library):
    for path in sorted(library.iterdir()):
        if path.is_dir() and path.name not in SKIPPED:
            yield path.name, sorted(file for file in path.rglob("*.py") if file.is_file())
        elif path.suffix == ".py" and path.is_file():  # a link may lead out of the package
            yield path.stem, [path]


library, folder = pathlib.Path(sys.argv[1]), sys.argv[2]
os.mkdir(folder)
count = 0
for name, files in documents(library):
    text = joined(library, files)
    if len(text) < LEAST:
        continue
    record = {"text": text, "meta": {"redpajama_set_name": "RedPajamaGithub"}, "title": name}
    with open(os.path.join(folder, name + ".jsonl"), "w", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
    count += 1
print(f"{count} packages and modules of Python's standard library")
