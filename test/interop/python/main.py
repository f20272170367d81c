"""Answers one line of JSON per line of JSON on standard input: {"ok": …} or {"error": "…"}.

No EAR library for Python is published, so the general ones for CWT and JWT read and write the tokens.
"""

import base64
import json
import sys
import time

import cwt
import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PROFILE = "tag:github.com,2023:veraison/ear"
# Where the key of the TEE stands in a CWT.
TEE_KEY_LABEL = -70500


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def padded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def printable(value):
    """CBOR as JSON: keys as text, bytes as base64url."""
    if isinstance(value, dict):
        return {str(key): printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable(item) for item in value]
    return unpadded(value) if isinstance(value, bytes) else value


def read(asked):
    key = json.loads(asked["jwk"])
    if asked["encoding"] == "jwt":
        return jwt.decode(asked["token"], jwt.PyJWK(key), algorithms=[asked["algorithm"]])
    # COSE has one number where JOSE has one name, and no "use" that the library would take for key operations.
    claims = cwt.decode(padded(asked["token"]), cwt.COSEKey.from_jwk(key))
    return printable(claims)


def write(asked):
    now = int(time.time())
    if asked["encoding"] == "jwt":
        claims = {
            "eat_profile": PROFILE,
            "iat": now,
            "exp": asked["exp"],
            "iss": asked["issuer"],
            "tee-pubkey": asked["tee"],
            "ear.verifier-id": {"developer": "https://veraison.example", "build": "interop"},
            "submods": {
                "cpu0": {
                    "ear.status": 32,
                    "ear.trustworthiness-vector": {
                        "instance-identity": 2,
                        "configuration": 32,
                        "executables": None,
                    },
                    "ear.appraisal-policy-id": "default",
                }
            },
        }
        key = load_pem_private_key(asked["pem"].encode(), None)
        return jwt.encode(claims, key, asked["algorithm"], headers={"kid": asked["kid"]})
    claims = {
        265: PROFILE,
        6: now,
        4: asked["exp"],
        1: asked["issuer"],
        TEE_KEY_LABEL: asked["tee"],
        1004: {0: "https://veraison.example", 1: "interop"},
        266: {"cpu0": {1000: 32, 1001: {0: 2, 1: 32}, 1003: "default"}},
    }
    key = cwt.COSEKey.from_pem(asked["pem"], alg=asked["algorithm"], kid=asked["kid"])
    return unpadded(cwt.encode(claims, key))


OPERATIONS = {"read": read, "write": write}


def answer(line: str):
    try:
        asked = json.loads(line)
        return {"ok": OPERATIONS[asked["op"]](asked)}
    except Exception as error:  # whatever a library throws is its answer
        return {"error": f"{type(error).__name__}: {error}"}


for each in sys.stdin:
    print(json.dumps(answer(each)), flush=True)
