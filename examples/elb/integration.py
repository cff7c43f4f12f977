#!/usr/bin/env python3
"""Keeps a load balancer up with Signalbox. Here the load balancer is a file: put the calls of yours into `program`.

usage: integration.py CLASS CONTROLLER FILE
Environment: SIGNALBOX_API, SIGNALBOX_TOKEN_FILE, LEASE_MS (15000), VIP (address for Services that have none).
"""
import json
import os
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

CLASS, CONTROLLER, FILE = sys.argv[1:4]
LEASE_MS = int(os.environ.get("LEASE_MS", "15000"))
VIP = os.environ.get("VIP")
API = os.environ.get("SIGNALBOX_API", "http://127.0.0.1:7070")
BASE = f"{API}/v1/load-balancers/{urllib.parse.quote(CLASS or '_', safe='')}"
HEADERS = {"content-type": "application/json"}
if "SIGNALBOX_TOKEN_FILE" in os.environ:
    with open(os.environ["SIGNALBOX_TOKEN_FILE"], encoding="utf-8") as token_file:
        HEADERS["authorization"] = f"Bearer {token_file.read().strip()}"


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data, HEADERS, method=method)
    with urllib.request.urlopen(request, timeout=LEASE_MS / 1000) as response:
        return json.load(response)


def program(groups):
    """All groups at once; replaced in one step, so that a crash leaves either the old state or the new one."""
    lines = []
    for group in groups:
        lines.append(f"listen {group['id']} on {','.join(group['addresses']) or '*'}:{group['port']}")
        for target in group["targets"]:
            if target["state"] in ("active", "draining"):
                lines.append(f"  server {target['address']}:{target['port']} {target['state']}")
    with open(f"{FILE}.new", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.replace(f"{FILE}.new", FILE)


def health(target):
    place = {"address": target["address"], "port": target["port"]}
    try:
        socket.create_connection((target["address"], target["port"]), timeout=0.2).close()
        return {**place, "health": "healthy"}
    except OSError as error:
        return {**place, "health": "unhealthy", "detail": str(error)[:500]}


def report(claim, group, said, error):
    path = f"/target-groups/{urllib.parse.quote(group['id'], safe='')}"
    used = [target for target in group["targets"] if target["state"] in ("active", "draining")]
    done = {"index": 0 if error else group["index"], "revision": group["revision"], "error": error}
    body = {**done, "targets": [health(target) for target in used]}
    try:
        if VIP and not error and not group["addresses"] and (path, VIP) not in said:
            ask("PUT", f"{path}/address", {**claim, "ingress": [{"ip": VIP}]})
            said[path, VIP] = True
        if said.get(path) != body:
            ask("PUT", f"{path}/report", {**claim, **body})
            said[path] = body
    except urllib.error.HTTPError as failure:
        if failure.code != 404:  # 404: gone meanwhile; the next list will not have it
            raise


def lead(epoch):
    """For as long as the lease is ours: whatever is refused or not answered ends in an exception."""
    claim, said, index, error = {"controller": CONTROLLER, "epoch": epoch}, {}, None, ""
    while True:
        ask("POST", "/lease", {"action": "renew", **claim})
        after = "" if index is None else f"&index={index}"
        answer = ask("GET", f"/target-groups?wait={LEASE_MS // 3}ms{after}")
        if answer["index"] != index or error:
            try:
                program(answer["items"])
                error = ""
            except OSError as failure:
                error = str(failure)
        index = answer["index"]
        for group in answer["items"]:
            report(claim, group, said, error)


while True:
    try:
        lead(ask("POST", "/lease", {"action": "acquire", "controller": CONTROLLER, "durationMs": LEASE_MS})["epoch"])
    except OSError as trouble:  # also 409 (somebody else leads) and 503 (nothing is decided yet: keep what is there)
        print(f"{CONTROLLER}: {trouble}", file=sys.stderr, flush=True)
        time.sleep(LEASE_MS / 3000)
