"""versions.py BIN TOOL…: one word a tool: its name, its version, a hash of the sources it is built from.

Stages of a pipeline depend on these words. Two builds of the same sources may differ in their bytes, so
it is the sources that are hashed: the tool's target and all it depends on in this package, less blank
lines and lines of comment.
"""

import hashlib
import json
import os
import subprocess
import sys


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def closure(name, targets):
    found, waiting = set(), [name]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += targets[name].get("target_dependencies") or []
    return sorted(found)


def lines(folder):
    for path, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            if file.endswith((".swift", ".c", ".h", ".modulemap")):
                yield f"{path}/{file}"
                for line in open(f"{path}/{file}", encoding="utf-8"):
                    if line.strip() and not line.strip().startswith("//"):
                        yield line.strip()


programs, tools = sys.argv[1], sys.argv[2:]
described = json.loads(output("swift", "package", "describe", "--type", "json"))["targets"]
targets = {target["name"]: target for target in described}
for tool in tools:
    content = hashlib.sha256()
    for target in closure(tool, targets):
        for line in lines(targets[target]["path"]):
            content.update(line.encode() + b"\n")
    print(f"{tool}/{output(f'{programs}/{tool}', '--version').strip()}/{content.hexdigest()[:16]}")
