#!/usr/bin/env python3
"""Measures how long a herenow binary takes from its start until it is ready, and how much CPU time it needs for that.

usage: scripts/cold_start.py BINARY [RUNS] [MAX_MS]

Ready is the first 200 of /readyz. The file system's cache is warm. Exits 1 where the fastest start is above MAX_MS (default 100), unless
the machine was so busy that most of that was waiting: then the CPU time is what counts.
"""

import http.client
import os
import re
import statistics
import subprocess
import sys
import time


def start(binary):
    """One start: milliseconds until it is ready, and of CPU time until then."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HERENOW_")}
    environment["HERENOW_SECRET"] = "a secret that only measures, long enough"
    began = time.monotonic()
    server = subprocess.Popen(
        [binary, "serve", "--listen", "127.0.0.1:0"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = None
        for line in server.stdout:
            address = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if address:
                break
        if not address:
            sys.exit(f"{binary} ended before it said where it listens")
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", int(address.group(1)), timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                took = time.monotonic() - began
                break
            connection.close()
        with open(f"/proc/{server.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        ticks = int(fields[11]) + int(fields[12])
        return took * 1000, ticks * 1000 / os.sysconf("SC_CLK_TCK")
    finally:
        server.kill()
        server.wait()


def main():
    if len(sys.argv) not in (2, 3, 4):
        sys.exit(__doc__.strip())
    binary = sys.argv[1]
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    max_ms = float(sys.argv[3]) if len(sys.argv) > 3 else 100
    times, work = zip(*(start(binary) for _ in range(runs)))
    median = statistics.median(times)
    print(
        f"cold start: ready after {median:.0f} ms (median of {runs}; {min(times):.0f} to {max(times):.0f}), "
        f"CPU {statistics.median(work):.0f} ms; at most {max_ms:.0f} ms wanted"
    )
    busy = min(times) > 2 * statistics.median(work)
    return 1 if (statistics.median(work) if busy else min(times)) > max_ms else 0


if __name__ == "__main__":
    sys.exit(main())
