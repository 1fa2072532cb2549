"""A server on loopback that does what a test says, and remembers what it was asked.

A route is a function of one request (an Exchange); `send` and what stands below are the usual ones.
Nothing but Python's standard library.
"""
import hashlib
import http.server
import socket
import ssl
import threading
import time
import types


class Exchange(http.server.BaseHTTPRequestHandler):
    """One request and its answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True      # a header and its body wait for nobody's acknowledgement

    def log_message(self, *_):
        pass

    def answer(self):
        path = self.path.split("?")[0]
        self.note()
        route = self.server.routes.get(path)
        if route is None:
            return self.say(404)
        try:
            return route(self)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    do_GET = do_HEAD = answer

    def note(self):
        """Remembers the request; a connection that is used again is the same object."""
        self.record = types.SimpleNamespace(command=self.command, path=self.path,
                                            headers=self.headers, sent=0)
        self.server.asked.append(self.record)

    # -- answers

    def head(self, status, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def body(self, data):
        if self.command != "HEAD":
            self.wfile.write(data)
            self.record.sent += len(data)

    def say(self, status, data=b"", headers=()):
        self.head(status, [("Content-Length", str(len(data))), *headers])
        self.body(data)

    def wanted(self, size):
        """(first, last) of the Range header, or None."""
        value = self.headers.get("Range")
        if not value:
            return None
        first, _, last = value.removeprefix("bytes=").partition("-")
        return int(first), min(int(last) if last else size - 1, size - 1)

    def drop(self):
        """Ends the connection at once, as a server that dies."""
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


def etag_of(data):
    return '"' + hashlib.sha256(data).hexdigest()[:16] + '"'


def file(data, headers=(), etag=None):
    """A file as good servers have it: ranges, If-Range, an ETag."""
    etag = etag or etag_of(data)

    def route(x):
        wanted = x.wanted(len(data))
        common = [("Accept-Ranges", "bytes"), ("ETag", etag), *headers]
        if x.headers.get("If-Range", etag) != etag:
            wanted = None
        if wanted is None:
            return x.say(200, data, common)
        first, last = wanted
        if first > last:
            return x.say(416, b"", [("Content-Range", f"bytes */{len(data)}"), *common])
        part = data[first:last + 1]
        return x.say(206, part, [("Content-Range", f"bytes {first}-{last}/{len(data)}"), *common])

    return route


def whole(data, headers=()):
    """A server that knows no ranges."""
    return lambda x: x.say(200, data, headers)


def redirect(to, status=302, headers=()):
    return lambda x: x.say(status, b"", [("Location", to), *headers])


def first(*routes):
    """The first route for the first request, and so on; the last one for all that follow."""
    count = [0]
    lock = threading.Lock()

    def route(x):
        with lock:
            at = min(count[0], len(routes) - 1)
            count[0] += 1
        return routes[at](x)

    return route


def stall():
    """Sends a header and nothing else until the test is over."""
    def route(x):
        x.head(206, [("Content-Range", "bytes 0-99/100000"), ("Content-Length", "100")])
        x.wfile.flush()
        x.server.over.wait()
        x.close_connection = True

    return route


class Held:
    """A route of which no answer comes before it is let go; it can be held again."""

    def __init__(self, route, held=True):
        self.route, self.gone = route, threading.Event()
        if not held:
            self.let_go()

    def hold(self):
        self.gone.clear()

    def let_go(self):
        self.gone.set()

    def __call__(self, x):
        while not self.gone.wait(0.05) and not x.server.over.is_set():
            pass
        return self.route(x)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64             # connections at once: those beyond it come a second later
    block_on_close = False

    def __init__(self, certificate=None, host="127.0.0.1", handler=Exchange):
        super().__init__((host, 0), handler)
        self.routes = {}
        self.asked = []
        self.over = threading.Event()
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True,
                                              do_handshake_on_connect=False)
            self.scheme = "https"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, *_):
        pass        # clients that go away are what is tested

    @property
    def url(self):
        return f"{self.scheme}://{self.server_address[0]}:{self.server_address[1]}"

    def sent(self):
        """Bytes of all bodies."""
        return sum(x.sent for x in self.asked)

    def stop(self):
        self.over.set()
        self.shutdown()
        self.server_close()


class Proxy(Exchange):
    """A proxy for https: CONNECT and nothing else."""

    def do_CONNECT(self):
        self.note()
        if self.server.routes.get("refuse"):
            return self.say(407, b"", [("Proxy-Authenticate", "Basic")])
        host, port = self.path.split(":")
        with socket.create_connection((host, int(port))) as there:
            self.head(200)
            self.wfile.flush()
            done = threading.Event()

            def pump(source, sink):
                try:
                    while data := source.recv(65536):
                        sink.sendall(data)
                except OSError:
                    pass
                done.set()

            for pair in ((self.connection, there), (there, self.connection)):
                threading.Thread(target=pump, args=pair, daemon=True).start()
            done.wait(10)
            time.sleep(0.01)
        self.close_connection = True
