"""An authorization server of Authlib's for the tests of client authentication.

It reads its clients from the first line of its input, as JSON: by client id the authentication method, the algorithm
of its assertions, and its key (a secret, or a public key in PEM). It then prints its port, and ends with its input.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, InvalidClientError, OAuth2Request
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jwk, jwt
from joserfc.errors import JoseError

TOKEN_URL = "https://idp.example.com/tenant/token"
KEY_TYPES = {"ES": "EC", "RS": "RSA", "PS": "RSA", "Ed": "OKP"}  # by how their algorithms begin


class Client(ClientMixin):
    def __init__(self, client_id, method, algorithm="", key=""):
        self.client_id, self.method, self.algorithm, self.key = client_id, method, algorithm, key

    def get_client_id(self):
        return self.client_id

    def get_allowed_scope(self, scope):
        return scope or ""

    def check_client_secret(self, client_secret):
        return self.key == client_secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method == self.method or method == "assertion" and self.method.endswith("_jwt")

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


class Assertion(JWTBearerClientAssertion):
    """Checks what RFC 7523 demands; each client signs with the one algorithm that it has registered."""

    CLIENT_AUTH_METHOD = "assertion"
    used = set()
    lock = threading.Lock()

    def get_audiences(self):
        return [TOKEN_URL]

    def validate_jti(self, claims, jti):
        with self.lock:
            is_new = jti not in self.used
            self.used.add(jti)
            return is_new

    def resolve_client_public_key(self, client):
        if client.method == "client_secret_jwt":
            return jwk.import_key(client.key, "oct"), client.algorithm
        return jwk.import_key(client.key, KEY_TYPES[client.algorithm[:2]]), client.algorithm

    def process_assertion_claims(self, assertion, key):
        try:
            token = jwt.decode(assertion, key[0], algorithms=[key[1]])
        except JoseError as error:
            raise InvalidClientError(description=str(error)) from error
        self.verify_claims(token.claims)
        return token.claims


class Grant(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "assertion", "none"]


class Request(OAuth2Request):
    def __init__(self, headers, form):
        super().__init__("POST", TOKEN_URL, headers=headers)
        self.payload, self.fields = BasicOAuth2Payload(form), form

    @property
    def form(self):
        return self.fields


class Server(AuthorizationServer):
    def __init__(self, clients):
        super().__init__()
        self.clients = {name: Client(name, **settings) for name, settings in clients.items()}
        self.register_grant(Grant)
        self.register_client_auth_method("assertion", Assertion())
        tokens = BearerTokenGenerator(lambda client, **_: "token-of-" + client.client_id, expires_generator=3600)
        self.register_token_generator("default", tokens)

    def query_client(self, client_id):
        return self.clients.get(client_id)

    def save_token(self, token, request):
        pass

    def send_signal(self, *args, **kwargs):
        pass

    def create_oauth2_request(self, request):
        return request

    def handle_response(self, status, body, headers):
        return status, body, headers


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        pairs = parse_qsl(body, strict_parsing=True)
        if len(dict(pairs)) != len(pairs):
            self.answer(400, {"error": "invalid_request"}, [])
            return
        self.answer(*server.create_token_response(Request(self.headers, dict(pairs))))

    def answer(self, status, body, headers):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


server = Server(json.loads(sys.stdin.readline()))
listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=listener.serve_forever, daemon=True).start()
print(listener.server_port, flush=True)
sys.stdin.read()
