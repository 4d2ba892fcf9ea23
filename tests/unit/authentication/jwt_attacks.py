"""Attacks on JWTs, as tables. Each row is a JWT that a careless reader would take."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.harness.jwt_workshop import ISSUER, b64, claims, jwk, pem, private_key, sign, sign_raw

RSA, EC, ED = private_key("rsa"), private_key("p256"), private_key("ed25519")
SOUND_HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": "ec"}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def es(body: dict[str, Any], **header: Any) -> str:
    return sign(body, EC, "ES256", **{"kid": "ec", **header})


def encoded(value: Any) -> str:
    return b64(json.dumps(value).encode())


def signed_with(header: bytes | str, payload: bytes | str | None = None) -> str:
    return sign_raw(header, json.dumps(claims()).encode() if payload is None else payload, EC, "ES256")


def header_bytes(**changes: Any) -> bytes:
    return json.dumps({**SOUND_HEADER, **changes}).encode()


def payload_with(raw: str) -> str:
    """A sound JWT whose payload has `raw` in place of its closing brace."""
    return signed_with(header_bytes(), json.dumps(claims())[:-1].encode() + raw.encode())


def replaced(name: str, raw: str) -> str:
    """A sound JWT whose claim `name` is the JSON text `raw`."""
    body = json.dumps(claims(**{name: "@@"})).replace('"@@"', raw)
    return signed_with(header_bytes(), body.encode())


def hmac_signed(secret: bytes, algorithm: str) -> str:
    head = encoded({"alg": algorithm, "typ": "at+jwt", "kid": "rsa"})
    signed = f"{head}.{encoded(claims())}"
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), digest).digest())}"


def none_algorithm() -> Iterator[tuple[str, str]]:
    for algorithm in ("none", "None", "nOnE", "NONE", "", ["none"], None, 0, {"alg": "none"}):
        head = encoded({"alg": algorithm, "typ": "at+jwt"})
        for signature in ("", "AA", b64(b"\0" * 64)):
            yield f"J1 {algorithm!r} {len(signature)}", f"{head}.{encoded(claims())}.{signature}"
    yield "J1 missing", f"{encoded({'typ': 'at+jwt'})}.{encoded(claims())}.AA"


def confusion() -> Iterator[tuple[str, str]]:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    secrets = {
        "pem": pem(RSA),
        "pem without newline": pem(RSA).strip(),
        "der": RSA.public_key().public_bytes(serialization.Encoding.DER, spki),
        "jwk": json.dumps(jwk(RSA)).encode(),
        "modulus": jwk(RSA)["n"].encode(),
        "empty": b"",
    }
    for name, secret in secrets.items():
        for algorithm in ("HS256", "HS384", "HS512"):
            yield f"J2 {algorithm} keyed with {name}", hmac_signed(secret, algorithm)


def crossed() -> Iterator[tuple[str, str]]:
    yield "J3 PS under RS", sign_raw(header_bytes(alg="RS256", kid="rsa"), json.dumps(claims()).encode(), RSA, "PS256")
    yield "J3 RS under PS", sign_raw(header_bytes(alg="PS256", kid="rsa"), json.dumps(claims()).encode(), RSA, "RS256")
    yield "J3 ES256 as ES384", signed_with(header_bytes(alg="ES384"))
    yield "J3 ES256 as EdDSA", signed_with(header_bytes(alg="EdDSA"))
    yield "J3 EdDSA as ES256", sign_raw(header_bytes(kid="ed"), json.dumps(claims()).encode(), ED, "EdDSA")
    yield "J3 not allowed here", sign(claims(), RSA, "RS512", kid="rsa")
    yield "J3 other key's kid", es(claims(), kid="rsa")
    yield "J3 no kid, several keys", sign(claims(), private_key("p256", "stranger"), "ES256")


def header_members() -> Iterator[tuple[str, str]]:
    stranger = private_key("p256", "stranger")
    embedded: dict[str, Any] = {
        "jwk": jwk(stranger),
        "x5c": ["MIIB"],
        "jku": "http://127.0.0.1:1/jwks",
        "x5u": "file:///etc/passwd",
    }
    for name, value in embedded.items():
        yield f"J6/J7 {name}", sign(claims(), stranger, kid="ec", **{name: value})
        yield f"J6/J7 {name} with a good signature", es(claims(), **{name: value})
    for crit in (["exp"], [], "exp", ["b64"], [1], None):
        yield f"J9 crit {crit}", signed_with(header_bytes(crit=crit))
    yield "J9 b64 without crit", signed_with(header_bytes(b64=False))
    yield "J20 zip", es(claims(), zip="DEF")
    yield "J20 p2c", es(claims(), p2c=2**31)
    yield "unknown member", es(claims(), nonce="x")


def kids() -> Iterator[tuple[str, str]]:
    unknown: tuple[Any, ...] = (
        "../../dev/null", "' OR 1=1 --", "ec\x00", "ec\r\nx: y", "*", "", "ec ", "EC", "k" * 257, 1, None, ["ec"], {},
    )  # fmt: skip
    for kid in unknown:
        yield (
            f"J8 kid {str(kid)[:20]!r}",
            signed_with(header_bytes(kid=kid))
            if kid is not None
            else signed_with(b'{"alg":"ES256","kid":"nobody","typ":"at+jwt"}'),
        )


def doubled() -> Iterator[tuple[str, str]]:
    yield "J10 alg", signed_with(b'{"alg":"none","alg":"ES256","kid":"ec","typ":"at+jwt"}')
    yield "J10 kid", signed_with(b'{"alg":"ES256","kid":"x","kid":"ec","typ":"at+jwt"}')
    for name in ("sub", "scope", "exp", "iss", "aud"):
        yield f"J10 {name}", payload_with(f',"{name}":{json.dumps(claims()[name])}}}')
    yield "J10 escaped name", payload_with(',"s\\u0075b":"admin"}')
    yield "J10 nested", payload_with(',"x":{"a":1,"a":2}}')


def spelled() -> Iterator[tuple[str, str]]:
    sound = es(claims())
    head, body, signature = sound.split(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    bent = signature[:-1] + last[last.index(signature[-1]) + 1]
    for name, value in {
        "padding": sound + "=",
        "padding twice": sound + "==",
        "padded header": f"{head}=.{body}.{signature}",
        "inner newline": f"{head}.{body[:8]}\n{body[8:]}.{signature}",
        "trailing newline": sound + "\n",
        "space": f"{head}.{body} .{signature}",
        "plus": f"{head}.{body}.{signature[:-1]}+",
        "unused bits": f"{head}.{body}.{bent}",
        "two parts": f"{head}.{body}",
        "four parts": f"{sound}.AA",
        "five parts": f"{head}.{body}.{signature}.AA.AA",
        "empty signature": f"{head}.{body}.",
        "empty payload": f"{head}..{signature}",
        "empty header": f".{body}.{signature}",
        "only dots": "ey..",
        "single character part": f"{head}.{body}.A",
    }.items():
        yield f"J11 {name}", value


def charsets() -> Iterator[tuple[str, str]]:
    body, head = json.dumps(claims()), header_bytes().decode()
    for charset in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"):
        yield f"J12 payload {charset}", signed_with(header_bytes(), body.encode(charset))
        yield f"J12 header {charset}", signed_with(head.encode(charset), body.encode())
    yield (
        "J12 overlong",
        signed_with(header_bytes(), body.replace("alice", "ali@@").encode().replace(b"@@", b"\xc0\xaf")),
    )
    yield "J12 latin-1", signed_with(header_bytes(), body.replace("alice", "alic@").encode().replace(b"@", b"\xe9"))


def dates() -> Iterator[tuple[str, str]]:
    now = int(time.time())
    for name in ("exp", "nbf", "iat"):
        for raw in (
            f'"{now}"', f"{now}.5", "1e400", "NaN", "Infinity", "true", "9" * 4000, "null", "-1", "0", "[]", "{}",
            f"{now}.0", "1e9", str(2**53), str(2**63),
        ):  # fmt: skip
            yield f"J13 {name} {raw[:12]}", replaced(name, raw)
    yield "J13 exp missing", es(claims(exp=None))
    yield "J13 lifetime", es(claims(exp=now + 86400 * 365))
    yield "J13 lifetime without iat", es(claims(exp=now + 86400 * 365, iat=None))
    yield "J14 expired beyond leeway", es(claims(exp=now - 32, iat=now - 600))
    yield "J14 nbf in future", es(claims(nbf=now + 6000))
    yield "J14 iat in future", es(claims(iat=now + 6000))


def parties() -> Iterator[tuple[str, str]]:
    issuers: tuple[Any, ...] = (
        ISSUER + "/",
        ISSUER[:-1],
        ISSUER.upper(),
        [ISSUER],
        "",
        None,
        {},
        1,
        "https://evil.example",
    )
    for issuer in issuers:
        yield f"J15 iss {issuer!r}", es(claims(iss=issuer))
    for audience in (
        "llm-ap",
        "llm-api ",
        "LLM-API",
        "xllm-api",
        [],
        ["x"],
        [["llm-api"]],
        None,
        1,
        {"llm-api": 1},
        [1, "llm-api"],
        "",
    ):
        yield f"J15 aud {audience!r}", es(claims(aud=audience))
    for subject in ("", 1, ["alice"], "a b", "a\r\nx-portcullis-plan: gold", "a\0", "é", "a" * 257, "\ud800"):
        yield f"J15/J25 sub {str(subject)[:12]!a}", es(claims(sub=subject))
    yield "J15 nobody", es(claims(sub=None, client_id=None))
    yield "azp differs", es(claims(azp="other"))


def kinds() -> Iterator[tuple[str, str]]:
    for typ in ("dpop+jwt", "logout+jwt", "id_token", "secevent+jwt", "JOSE", "at+jwt\x00", 1, ["at+jwt"]):
        yield f"J16 typ {typ!r}", es(claims(), typ=typ)
    yield "J16 ID token", es(claims(at_hash="x"), typ="JWT")
    yield "J16 logout token", es(claims(events={}), typ="JWT")
    yield "J16 Keycloak refresh token", es(claims(typ="Refresh"), typ="JWT")
    yield "J16 Cognito ID token", es(claims(token_use="id"), typ="JWT")


def scopes() -> Iterator[tuple[str, str]]:
    for scope in ("llm:read  llm:write", "llm:read\tllm:write", "llm:read\u00a0llm:write", " llm:read", "llm:read\n",
                  ["llm:read"], 'a"b', "a\\b", {"llm:write": 1}, 1, True):  # fmt: skip
        yield f"J18 scope {scope!r}", es(claims(scope=scope))
    for scp in (["llm:read llm:write"], [["llm:write"]], [1], {"llm:write": 1}, "a  b", [""]):
        yield f"J18 scp {scp!r}", es(claims(scope=None, scp=scp))


def sizes() -> Iterator[tuple[str, str]]:
    yield "J19 8 kB", es(claims(x="a" * 8192))
    yield "J19 1 MB", "ey" + "a" * 1_000_000 + ".a.a"
    yield "J19 dots", "ey" + "." * 100_000
    yield "J19 deep payload", signed_with(header_bytes(), b"[" * 4000)
    yield "J19 deep claim", payload_with(',"x":' + '{"a":' * 900 + "1" + "}" * 901)
    yield "J19 deep header", signed_with(b'{"alg":' + b"[" * 4000)
    for raw in (b"[]", b'"x"', b"1", b"null", b"", b"{", b"{}", b"{}{}", b'{"alg":"ES256"', b"\x00"):
        yield f"not an object {raw!r}", f"{b64(raw)}.{encoded(claims())}.AAAA"
        yield f"payload is no object {raw!r}", signed_with(header_bytes(), raw)


def signatures() -> Iterator[tuple[str, str]]:
    head, body, signature = es(claims()).split(".")
    r, s = signature_numbers(signature)
    for name, pair in {
        "r=0": (0, s), "s=0": (r, 0), "both 0": (0, 0), "r=n": (P256_ORDER, s), "s=n": (r, P256_ORDER),
        "r=1,s=1": (1, 1), "r+1": (r + 1, s), "swapped": (s, r), "max": (2**256 - 1, 2**256 - 1),
    }.items():  # fmt: skip
        yield f"J22 {name}", f"{head}.{body}.{b64(pair[0].to_bytes(32) + pair[1].to_bytes(32))}"
    yield "J22 DER signature", f"{head}.{body}.{b64(encode_dss_signature(r, s))}"
    yield "J22 long", f"{head}.{body}.{b64(b'0' + base64.urlsafe_b64decode(signature + '=='))}"
    yield "J22 short", f"{head}.{body}.{b64(b'0' * 63)}"
    rsa_head, rsa_body, rsa_signature = sign(claims(), RSA, "RS256", kid="rsa").split(".")
    raw = base64.urlsafe_b64decode(rsa_signature + "==")
    for name, forged in {
        "zeros": b"\0" * 256, "ones": b"\xff" * 256, "one": b"\0" * 255 + b"\1", "short": raw[:-1],
        "long": raw + b"\0", "long in front": b"\0" + raw, "modulus": RSA.public_key().public_numbers().n.to_bytes(256),
        "padding only": b"\0\1" + b"\xff" * 220 + b"\0" + hashlib.sha256(b"x").digest() + b"\0",
        "flipped": raw[:-1] + bytes([raw[-1] ^ 1]),
    }.items():  # fmt: skip
        yield f"J22 RSA {name}", f"{rsa_head}.{rsa_body}.{b64(forged)}"
    yield "J22 changed payload", f"{head}.{encoded(claims(sub='admin'))}.{signature}"
    yield "J22 changed header", f"{encoded({**SOUND_HEADER, 'typ': 'jwt'})}.{body}.{signature}"


def signature_numbers(signature: str) -> tuple[int, int]:
    raw = base64.urlsafe_b64decode(signature + "==")
    return int.from_bytes(raw[:32]), int.from_bytes(raw[32:])


TABLES = (
    none_algorithm,
    confusion,
    crossed,
    header_members,
    kids,
    doubled,
    spelled,
    charsets,
    dates,
    parties,
    kinds,
    scopes,
    sizes,
    signatures,
)
ATTACKS: list[tuple[str, str]] = [row for table in TABLES for row in table()]
