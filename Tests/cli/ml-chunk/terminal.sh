# Binary data never goes to a terminal.
# needs: ml-chunk model
python3 - <<'PY'
import os, pty
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("ml-chunk", ["ml-chunk", "--tokenizer", os.environ["MODEL"], os.environ["READY"] + "/demo.jsonl"])
shown = b""
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    if not data:
        break
    shown += data
print(shown.decode().replace("\r", "").strip())
print("exit", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
