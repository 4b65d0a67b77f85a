"""Sends a run's file of Weights & Biases with their own client to a server of this script, and holds what arrives against metrics.jsonl.

    python spec/interop/wandb_runs.py RUN_FOLDER        (needs the package wandb)

Every number of every step must arrive once and equal, with the settings and how the run ended. Nothing leaves this machine. Exits 1 where
something is missing.
"""
import glob
import http.server
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import threading

folder = sys.argv[1]
history, configs, names, exits = {}, [], [], []


def run_of(variables):
    name = variables.get("name") or "x"
    project = {"name": variables.get("project") or "p", "entity": {"name": "ada"}}
    return {"id": "r", "name": name, "displayName": variables.get("displayName"), "project": project, "historyLineCount": 0}


def answer(query, variables):
    """What the client asks for, as far as it asks."""
    if "upsertBucket" in query:
        if variables.get("config"):
            configs.append(json.loads(variables["config"]))
        names.append(variables.get("displayName"))
        return {"upsertBucket": {"bucket": run_of(variables), "inserted": True}}
    if "viewer" in query:
        return {"viewer": {"id": "u", "entity": "ada", "username": "ada", "flags": "{}", "teams": {"edges": []}}}
    if "createRunFiles" in query:
        files = [{"name": n, "uploadUrl": f"http://127.0.0.1:{port}/upload"} for n in variables.get("files", [])]
        return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
    return {}


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, body=b"{}"):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        n = self.headers.get("content-length")
        if n is not None:
            raw = self.rfile.read(int(n))
        else:
            raw = b""
            while self.headers.get("transfer-encoding") == "chunked":
                size = int(self.rfile.readline(), 16)
                raw += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    break
        if self.headers.get("content-encoding") == "gzip":
            import gzip

            raw = gzip.decompress(raw)
        return raw

    def do_POST(self):
        raw = self.body()
        if self.path == "/graphql":
            asked = json.loads(raw)
            self.reply(json.dumps({"data": answer(asked["query"], asked.get("variables") or {})}).encode())
            return
        if self.path.endswith("/file_stream"):
            sent = json.loads(raw)
            part = (sent.get("files") or {}).get("wandb-history.jsonl")
            if part:
                for i, line in enumerate(part["content"]):
                    history[part["offset"] + i] = json.loads(line)
            if sent.get("complete"):
                exits.append(sent.get("exitcode"))
        self.reply()

    def do_PUT(self):
        self.body()
        self.reply()

    def do_GET(self):
        self.reply()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
port = server.server_address[1]
threading.Thread(target=server.serve_forever, daemon=True).start()

runs = sorted(glob.glob(f"{folder}/wandb/offline-run-*"))
with tempfile.TemporaryDirectory() as home:
    env = {
        **os.environ,
        "WANDB_BASE_URL": f"http://127.0.0.1:{port}",
        "WANDB_API_KEY": "0" * 40,
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_CONFIG_DIR": home,
        "WANDB_CACHE_DIR": home,
        "HOME": home,
    }
    client = [os.path.join(os.path.dirname(sys.executable), "wandb"), "sync", "--include-synced", "--yes", os.path.abspath(runs[-1])]
    sent = subprocess.run(client, env=env, cwd=home, capture_output=True, text=True, timeout=240)
if sent.returncode != 0:
    print(sent.stdout, sent.stderr)
    sys.exit(1)

with open(f"{folder}/metrics.jsonl") as f:
    records = [json.loads(line) for line in f]


def plain(x):
    return None if isinstance(x, str) and re.fullmatch("NaN|-?Infinity", x) else x


def same(a, b):
    numbers = [isinstance(x, (int, float)) and not isinstance(x, bool) for x in (a, b)]
    return math.isclose(a, b, rel_tol=1e-12, abs_tol=0) if all(numbers) else a == b


arrived = {line["_step"]: line for line in history.values()}
wrong = []
for r in records:
    line = arrived.get(r["step"], {})
    wrong += [f"step {r['step']}: {k}" for k, v in r.items() if k != "step" and not same(plain(line.get(k.replace(".", "/"))), v)]
lost = len(records) != len(history)
settings = {k: v.get("value") for c in configs for k, v in c.items() if k != "_wandb"}
print(
    f"{len(records)} steps, {len(history)} lines arrived; wrong: {wrong[:5] or 'none'}; {len(settings)} settings of {names[:1]}; exit codes {exits}",
)
sys.exit(1 if wrong or lost or not settings or exits[-1:] != [0] else 0)
