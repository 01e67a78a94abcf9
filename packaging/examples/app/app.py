#!/usr/bin/env python3
"""A small web app: GET /task gives three items, GET /health says that it is well."""
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TASKS = [
    {"id": 1, "title": "Attach a volume", "done": True},
    {"id": 2, "title": "Deploy the app", "done": True},
    {"id": 3, "title": "Scale out", "done": False},
]


class Handler(BaseHTTPRequestHandler):
    routes = {"/task": lambda: TASKS, "/health": lambda: {"status": "pass"}}

    def do_GET(self):
        route = self.routes.get(self.path)
        body = json.dumps(route() if route else {"error": "not found"}).encode()
        self.send_response(200 if route else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8000")))
    ThreadingHTTPServer(address, Handler).serve_forever()
