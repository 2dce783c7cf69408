"""Takes webhooks of herenow and prints them. HERENOW_WEBHOOKS__SECRET=... PORT=9000 python3 receiver.py"""
import hashlib, hmac, json, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["HERENOW_WEBHOOKS__SECRET"].encode()
seen = set()  # Yours: a unique column of the table that the events change.


def is_genuine(header, body):
    parts = [part.partition("=")[::2] for part in header.split(",")]
    at = next((value for name, value in parts if name == "t"), "")
    wanted = hmac.new(SECRET, at.encode() + b"." + body, hashlib.sha256).hexdigest()
    is_fresh = at.isdigit() and abs(time.time() - int(at)) <= 300
    return is_fresh and any(name == "v1" and hmac.compare_digest(wanted.encode(), tag.encode()) for name, tag in parts)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        genuine = is_genuine(self.headers.get("herenow-signature", ""), body)
        for event in json.loads(body)["events"] if genuine else []:
            if event["key"] not in seen:
                print(event["event"], event["room"], event.get("user", "-"), flush=True)
            seen.add(event["key"])
        self.send_response(204 if genuine else 401)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 9000))), Receiver)
print("listening on", server.server_port, flush=True)
server.serve_forever()
