"""unknown.py MUST MAY FILE…: a line for each variable that no make file FILE reads, with the name that was meant.

MUST and MAY are lists of names. Those of MAY are passed over unless they are a slip of the pen: another name
but for underscores or one edit.
"""

import re
import sys

must, may, files = sys.argv[1].split(), sys.argv[2].split(), sys.argv[3:]
text = "\n".join(open(file, encoding="utf-8").read() for file in files)
known = set(re.findall(r"[$][({]([A-Z][A-Z0-9_]+)[):}]", text)) | set(re.findall(r",([A-Z][A-Z0-9_]+)[)]", text))
known -= set(must + may)


def edits(one, other):
    """The least number of letters put in, left out or changed, of two neighbours exchanged."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


for name in must + may:
    bare = name.upper().replace("_", "")
    distances = {other: edits(bare, other.replace("_", "")) for other in sorted(known)}
    nearest = min(distances, key=distances.get)
    if distances[nearest] <= 1:
        print(f"{name}: unknown, {nearest}?")
    elif name in must:
        print(f"{name}: unknown; make help lists the variables")
