#!/usr/bin/env python3
"""What a cluster costs its Redis: CPU and bytes a change, memory an entry, with the scripts of this repository.

usage: scripts/cluster/cost.py

Starts a redis-server of its own in a folder of its own. Measures CPU time of that process, not the time on the wall, so a busy
machine changes little; compare the ratio to a plain SET of the same run. Prints a table.
"""
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "crates/herenow/src/cluster/redis/scripts"
NODE = "000000000000000a"
# As large as an entry with a short name and no state.
ENTRY = b"\x01" + b"x" * 51
ROOMS = 400


class Redis:
    """A server of our own, and a connection to it."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        self.process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
        self.socket = self.connect()
        self.reader = self.socket.makefile("rb")
        self.hashes = {}

    def connect(self):
        for _ in range(200):
            try:
                return socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                time.sleep(0.05)
        raise SystemExit("redis-server does not start")

    def read(self):
        line = self.reader.readline()
        kind, rest = line[:1], line[1:-2]
        if kind in (b"+", b":"):
            return rest
        if kind == b"$":
            return None if rest == b"-1" else self.reader.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        raise SystemExit(line.decode())

    def ask(self, *words):
        self.socket.sendall(encode(words))
        return self.read()

    def ask_many(self, commands, at_once=100):
        for start in range(0, len(commands), at_once):
            some = commands[start : start + at_once]
            self.socket.sendall(b"".join(map(encode, some)))
            for _ in some:
                self.read()

    def script(self, name, keys, *arguments):
        if name not in self.hashes:
            self.hashes[name] = self.ask("SCRIPT", "LOAD", (SCRIPTS / f"{name}.lua").read_text())
        return ["EVALSHA", self.hashes[name], len(keys), *keys, *arguments]

    def cpu_us(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().split()
        return (int(fields[13]) + int(fields[14])) * 1e6 / os.sysconf("SC_CLK_TCK")

    def info(self, section, name):
        lines = self.ask("INFO", section).decode().splitlines()
        return int(next(line for line in lines if line.startswith(f"{name}:")).split(":")[1])

    def listen(self):
        """Another node that hears all rooms, and does nothing with what it hears."""
        ear = self.connect()
        ear.sendall(b"".join(encode(("SSUBSCRIBE", channel(room))) for room in range(ROOMS)))
        threading.Thread(target=lambda: [None for _ in iter(lambda: ear.recv(1 << 20), b"")], daemon=True).start()


def encode(words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def keys(room):
    return [f"{{ps:0}}:m:{room}", f"{{ps:0}}:c:{room}:{NODE}", f"{{ps:0}}:x:{NODE}", f"{{ps:0}}:s:{room}:{NODE}"]


def channel(room):
    return f"{{ps:0}}:r:{room}"


def entries(count, first=0):
    return [text for number in range(count) for text in (f"{first + number:016x}", ENTRY)]


def changes(redis, batch, baseline):
    redis.ask("FLUSHALL")
    rounds = (40_000 if batch == 1 else 100_000) // batch // ROOMS
    calls = []
    for seq in range(1, rounds + 1):
        for room in range(ROOMS):
            stamp = [1, seq, f"{NODE}.{seq}", 3600, batch]
            arguments = [channel(room), room, NODE, *stamp, *entries(batch, seq * 100)]
            calls.append(redis.script("apply", keys(room)[:3], *arguments))
    names = ("total_net_input_bytes", "total_net_output_bytes")
    before, began = [redis.info("stats", name) for name in names], redis.cpu_us()
    redis.ask_many(calls)
    count = rounds * batch * ROOMS
    cost = (redis.cpu_us() - began) / count
    came, went = (((redis.info("stats", name) - was) / count) for name, was in zip(names, before))
    return f"{cost:.1f} µs a change, {cost / baseline:.1f} times a SET; {came:.0f} bytes in, {went:.0f} bytes out"


def sizes(redis, size):
    redis.ask("FLUSHALL")
    redis.ask("MEMORY", "PURGE")
    before, rooms, parts = redis.info("memory", "used_memory"), 40_000 // size, max(1, size // 1000)
    for room in range(rooms):
        for part in range(1, parts + 1):
            some = min(size, 1000)
            stamp = [1, 1, f"{NODE}.1", 3600, part, parts, some]
            redis.ask(*redis.script("sync", keys(room), channel(room), room, NODE, *stamp, *entries(some, part * 1000)))
    memory = (redis.info("memory", "used_memory") - before) / (rooms * size)
    snapshot = redis.script("snap", [keys(0)[0], "{ps:0}:k:0", keys(0)[1]], 1_000_000, NODE, "")
    times, began = max(10, 30_000 // size), redis.cpu_us()
    redis.ask_many([snapshot] * times)
    return f"{memory:.0f} bytes an entry; a snapshot of all {(redis.cpu_us() - began) / times:.0f} µs"


def main():
    with tempfile.TemporaryDirectory() as folder:
        redis = Redis(folder)
        try:
            began = redis.cpu_us()
            redis.ask_many([("SET", f"k{number % 100}", "v") for number in range(100_000)])
            baseline = (redis.cpu_us() - began) / 100_000
            print(f"SET: {baseline:.2f} µs")
            for ears in (0, 10):
                for _ in range(ears):
                    redis.listen()
                time.sleep(0.5)
                for batch in (1, 10, 50):
                    print(f"APPLY of {batch}, heard by {ears} nodes: {changes(redis, batch, baseline)}", flush=True)
            rooms = [key for room in range(200) for key in keys(room)[:2]]
            began = redis.cpu_us()
            redis.ask_many([redis.script("poll", [keys(0)[2], *rooms], NODE, 0)] * 300)
            print(f"audit: {(redis.cpu_us() - began) / 300 / 200:.1f} µs a room, 200 rooms a call")
            for size in (10, 100, 1_000, 10_000):
                print(f"sections of {size}: {sizes(redis, size)}", flush=True)
        finally:
            redis.process.kill()
            redis.process.wait()


if __name__ == "__main__":
    main()
