"""serve.py FOLDER [--faults FILE] COMMAND…: a small Hugging Face hub on loopback, for one command.

FOLDER/models/ORG/NAME and FOLDER/datasets/ORG/NAME are repositories of one commit, which the file
.commit in them names; it is their branch main, too. COMMAND runs with HF_ENDPOINT set to this hub, and
its exit status is ours. Of the hub's manners those are here that its client relies on: the revision and
the tree of a repository, and its files with their commit, entity tag, size and ranges; large files
(1000 bytes or more) are redirected to elsewhere, with the digest of their contents for a tag.

FILE tells what goes wrong, a line each, read anew at every request: `drop PATH N` closes the connection
after N bytes of PATH, `kill PATH N` kills COMMAND then, `corrupt PATH` changes a byte, `size PATH N` pretends
that it has N bytes, `token SECRET` wants that token. FILE.log gets a line for each file that is asked for:
its path and from which byte on.
"""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse

LARGE = 1000


def digest(data, algorithm, prefix=b""):
    return hashlib.new(algorithm, prefix + data).hexdigest()


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = faults = None

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, with_body):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        lines = open(self.faults) if self.faults else []
        faults = [line.split() for line in lines if line.strip()]
        secrets = [fault[1] for fault in faults if fault[0] == "token"]
        if path.startswith("/large/"):
            self.send_file(path.removeprefix("/large/"), faults, with_body)
        elif secrets and self.headers.get("Authorization") != f"Bearer {secrets[0]}":
            self.send(401, b"", {"X-Error-Code": "GatedRepo"}, with_body)
        elif path.startswith("/api/"):
            self.send_facts(path.removeprefix("/api/").split("/"), faults, with_body)
        else:
            parts = path.strip("/").split("/")
            kind = parts.pop(0) if parts[0] == "datasets" else "models"
            self.resolve([kind, *parts], faults, with_body)

    def commit(self, kind, name, revision):
        """The commit of a revision; None where there is none."""
        try:
            commit = open(os.path.join(self.folder, kind, name, ".commit")).read().strip()
        except OSError:
            return None
        return commit if revision in ("main", commit) else None

    def send_facts(self, parts, faults, with_body):
        # models/ORG/NAME/revision/REVISION, models/ORG/NAME/tree/REVISION/FOLDER
        kind, name, what, revision = parts[0], "/".join(parts[1:3]), parts[3], parts[4]
        commit = self.commit(kind, name, revision)
        if not commit:
            self.send(404, b"", {"X-Error-Code": "RevisionNotFound"}, with_body)
        elif what == "revision":
            facts = {"id": name, "sha": commit, "siblings": [], "tags": [], "downloads": 0}
            self.send(200, json.dumps(facts).encode(), {}, with_body)
        else:
            root = os.path.join(self.folder, kind, name)
            tree = []
            for path, _, files in os.walk(os.path.join(root, *parts[5:])):
                tree += [self.entry(root, os.path.join(path, f)) for f in files if f != ".commit"]
            for entry in tree:
                for fault in faults:
                    if fault[:2] == ["size", entry["path"]]:
                        entry["size"] = entry["lfs"]["size"] = int(fault[2])
            self.send(200, json.dumps(tree).encode(), {}, with_body)

    def entry(self, root, path):
        data = open(path, "rb").read()
        sha256 = digest(data, "sha256")
        entry = {"type": "file", "path": os.path.relpath(path, root), "size": len(data)}
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(data)}\n"
        inside = data if len(data) < LARGE else pointer.encode()
        entry["oid"] = digest(inside, "sha1", b"blob %d\0" % len(inside))
        if len(data) >= LARGE:
            entry["lfs"] = {"oid": sha256, "size": len(data), "pointerSize": len(pointer)}
        return entry

    def resolve(self, parts, faults, with_body):
        # models/ORG/NAME/resolve/REVISION/PATH
        kind, name, path = parts[0], "/".join(parts[1:3]), "/".join(parts[5:])
        commit = self.commit(kind, name, parts[4])
        root = os.path.join(self.folder, kind, name)
        if not commit or not os.path.isfile(os.path.join(root, path)):
            self.send(404, b"", {"X-Error-Code": "EntryNotFound"}, with_body)
            return
        entry = self.entry(root, os.path.join(root, path))
        headers = {"X-Repo-Commit": commit}
        if "lfs" not in entry:
            headers["ETag"] = f'"{entry["oid"]}"'
            self.send_file(f"{kind}/{name}/{path}", faults, with_body, headers)
            return
        headers |= {"X-Linked-Size": str(entry["size"]), "X-Linked-ETag": f'"{entry["lfs"]["oid"]}"'}
        host, port = self.server.server_address
        headers["Location"] = f"http://{host}:{port}/large/{urllib.parse.quote(f'{kind}/{name}/{path}')}"
        self.send(302, b"", headers, with_body)

    def send_file(self, path, faults, with_body, headers=None):
        data = open(os.path.join(self.folder, path), "rb").read()
        name = path.split("/", 3)[3]
        size, start = len(data), 0
        if self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
        if self.faults and with_body:
            with open(self.faults + ".log", "a") as log:
                log.write(f"{name} {start}\n")
        if ["corrupt", name] in faults:
            data = data[:-1] + bytes([data[-1] ^ 1])
        ends = [f for f in faults if f[0] in ("drop", "kill") and f[1] == name] if with_body else []
        headers = {"Accept-Ranges": "bytes", **(headers or {})}
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self.send(206 if start else 200, data[start:], headers, with_body, *ends[:1])

    def send(self, status, body, headers, with_body, end=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body[: int(end[2])] if end else body)
        if end:
            self.close_connection = True
            if end[0] == "kill":
                time.sleep(1)  # to let it take what was sent
                self.server.command.kill()


def main():
    folder, *command = sys.argv[1:]
    Hub.folder = folder
    if command[0] == "--faults":
        Hub.faults = command[1]
        command = command[2:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    direct = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    environment = {**os.environ, **direct, "HF_ENDPOINT": endpoint}
    server.command = subprocess.Popen(command, env=environment)
    sys.exit(abs(server.command.wait()))


main()
