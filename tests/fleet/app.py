# SPDX-License-Identifier: Apache-2.0
"""The app of a fleet's host: says who it is, after ?ms=MILLISECONDS, and logs each request first."""
import http.server
import os
import time
import urllib.parse

log = os.open(os.environ["ACCESS_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path != "/health":
            os.write(log, f"{self.path} {os.environ['NAME']}\n".encode())
        wait = urllib.parse.parse_qs(url.query).get("ms")
        if wait:
            time.sleep(int(wait[0]) / 1000)
        body = os.environ["NAME"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
