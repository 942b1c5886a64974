"""Who gets in, as whom, and what they reach: forged, foreign, damaged credentials; companies kept apart."""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import threading
import time

import jwt
import pytest
from conftest import ROOT
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from liquid_ai.cli import main
from liquid_ai.core import Document, InputError
from liquid_ai.indexing.snapshot import _hidden
from liquid_ai.serving.auth import (
    ANYONE,
    ApiKey,
    Authenticator,
    AuthError,
    Identity,
    KeyFile,
    TokenRules,
    Tokens,
    add_key,
    authorization,
    check_name,
    identity_of,
    may_change,
    may_read,
    needs_auth,
    new_key,
    owned_access,
    read_keys,
    require,
    revoke_key,
)

CHALLENGE = re.compile(r'Bearer realm="liquid_ai"(, [a-z_]+="[^"\\]+")*')
PEM, SPKI = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
SECRET = "0123456789abcdef" * 4
RSA = rsa.generate_private_key(65537, 2048)
SIGNERS = {"RS256": RSA, "PS256": RSA, "ES256": ec.generate_private_key(ec.SECP256R1())}
SIGNERS["EdDSA"] = ed25519.Ed25519PrivateKey.generate()
CLAIMS = {"sub": "ann", "tenant": "acme", "scope": "ask write", "iss": "https://login.example", "aud": "rag"}


def public(signer) -> bytes:
    return signer.public_key().public_bytes(PEM, SPKI)


def rules(algorithm="ES256", **more) -> TokenRules:
    key = SECRET if algorithm[:2] == "HS" else public(SIGNERS[algorithm])
    return TokenRules((algorithm,), key, **({"issuer": CLAIMS["iss"], "audience": "rag"} | more))


def signed(algorithm="ES256", signer=None, headers=None, drop=(), **claims) -> bytes:
    body = CLAIMS | {"exp": int(time.time()) + 600} | claims
    body = {name: value for name, value in body.items() if name not in drop}
    key = signer or SIGNERS.get(algorithm, SECRET)
    return jwt.encode(body, key, algorithm, headers).encode()


def part(data) -> bytes:
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def by_hand(header, body, sign=lambda text: b"") -> bytes:
    text = part(header) + b"." + part(body)
    return text + b"." + part(sign(text))


def refusal(authenticator, sent: bytes | None, status=401) -> AuthError:
    with pytest.raises(AuthError) as raised:
        authenticator.identify(sent)
    assert raised.value.status == status
    challenge = raised.value.challenge
    assert challenge.isascii() and CHALLENGE.fullmatch(challenge)
    return raised.value


@pytest.fixture
def keys(tmp_path):
    "A key file with one key, and that key."
    key, entry = new_key("website", "acme", ["ask", "write"], ["ann"])
    add_key(tmp_path / "keys.json", entry)
    return tmp_path / "keys.json", key, entry


# keys


def test_a_key_opens_as_whom_it_was_made_for(keys):
    path, key, entry = keys
    found = Authenticator(KeyFile(path)).identify(f"Bearer {key}".encode())
    assert found == Identity("website", "acme", frozenset(["ask", "write"]), ("acme/", "acme/ann"), "key")
    assert found.label == "acme/website"


def test_the_file_is_private_holds_no_key_and_no_key_is_like_another(keys):
    path, key, entry = keys
    secret = key.split("_", 2)[2]
    assert len(base64.urlsafe_b64decode(secret + "=")) == 32  # 256 bits
    assert key not in path.read_text() and secret not in path.read_text() and secret not in repr(entry)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len({new_key("a")[0] for _ in range(200)}) == 200


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_other_key_opens(data):
    key, entry = new_key("ann")
    file = _file({entry.id: entry})
    at = data.draw(st.integers(0, len(key) - 1))
    other = key[:at] + data.draw(st.text(max_size=3)) + key[at + data.draw(st.integers(0, 3)) :]
    assume(other != key)
    with pytest.raises(AuthError):
        file.find(other.encode("utf-8", "surrogatepass"))
    assert file.find(key.encode()).subject == "ann"


def _file(keys, tmp=[]):  # noqa: B006
    "A key file in memory's folder, for properties that need many."
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for key in keys.values():
            add_key(f"{folder}/keys.json", key)
        return KeyFile(f"{folder}/keys.json", every=1e9)


def test_expiry_and_revocation_are_seen_while_the_server_runs(keys, tmp_path):
    path, key, entry = keys
    short, brief = new_key("short", days=1)
    add_key(path, brief)
    now = [time.time()]
    file = KeyFile(path, every=0, clock=lambda: now[0])
    assert file.find(short.encode()) and file.find(key.encode())
    now[0] = brief.expires - 0.01
    assert file.find(short.encode())
    now[0] = brief.expires
    with pytest.raises(AuthError, match="expired"):
        file.find(short.encode())
    first = revoke_key(path, entry.id).revoked
    with pytest.raises(AuthError, match="revoked"):
        file.find(key.encode())
    assert revoke_key(path, entry.id).revoked == first and read_keys(path)[entry.id].revoked == first


def test_a_file_that_is_as_it_was_is_not_read_again(keys):
    path, key, _ = keys
    file = KeyFile(path, every=0)
    first = file.find(key.encode())
    assert file.find(key.encode()) is first
    add_key(path, new_key("more")[1])
    assert file.find(key.encode()) is not first and file.find(key.encode()) == first


def test_the_file_is_looked_at_once_in_a_while_only(keys, monkeypatch):
    path, key, entry = keys
    now = [100.0]
    monkeypatch.setattr("liquid_ai.serving.keys.time.monotonic", lambda: now[0])
    file = KeyFile(path)
    revoke_key(path, entry.id)
    now[0] += 0.9
    assert file.find(key.encode())
    now[0] += 0.2
    with pytest.raises(AuthError):
        file.find(key.encode())


GOOD = {"id": "0" * 12, "hash": "0" * 64, "name": "a", "tenant": "", "scopes": [], "principals": []}
GOOD = {"keys": [GOOD | {"made": 0, "expires": None, "revoked": None}]}
WRONG = {
    "id": ["", "0" * 11, "g" * 12, 7, None],
    "hash": ["0" * 63, "Z" * 64, None],
    "name": ["", 7, "\u202e"],
}
WRONG |= {
    "tenant": ["a/b", None, " "],
    "scopes": ["ask", ["root"], [7], None],
    "principals": ["ann", ["a/b"], [[]]],
}
WRONG |= {
    "made": ["1", 1.5, True],
    "expires": ["never", float("nan")],
    "revoked": [False, "yes"],
    "more": [1],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_damaged_key_is_an_error_that_names_the_file(tmp_path, name, value):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(GOOD))
    assert len(KeyFile(path)) == 1
    path.write_text(json.dumps({"keys": [GOOD["keys"][0] | {name: value}]}))
    with pytest.raises(InputError, match=r"keys\.json is damaged"):
        KeyFile(path)


DAMAGED = [
    b"",
    b"{",
    b"[]",
    b"7",
    b"{}",
    b'{"keys": 7}',
    b'{"keys": [7]}',
    b'{"keys": "ab"}',
    b'{"keys": [{}]}',
]
DAMAGED += [b"\xff\xfe", b"[" * 100_000, json.dumps({"keys": GOOD["keys"] * 2}).encode()]


@pytest.mark.parametrize("text", DAMAGED)
def test_what_was_loaded_stays_in_force_when_the_file_is_damaged_or_gone(keys, text, caplog):
    path, key, _ = keys
    file, whole = KeyFile(path, every=0), path.read_bytes()
    path.write_bytes(text)
    assert file.find(key.encode()).subject == "website"
    assert "keys.json is damaged" in file.fault and file.fault in caplog.text
    with pytest.raises(InputError, match="damaged"):
        add_key(path, new_key("other")[1])
    assert path.read_bytes() == text  # not overwritten
    path.unlink()
    assert file.find(key.encode()) and "cannot be read" in file.fault
    path.write_bytes(whole)
    assert file.find(key.encode()) and file.fault == ""


def test_a_missing_file_says_how_to_make_one(tmp_path):
    for act in (KeyFile, lambda p: revoke_key(p, "0")):
        with pytest.raises(InputError, match="liquid-ai keys new"):
            act(tmp_path / "none.json")
    assert list(tmp_path.iterdir()) == []


def test_many_writers_lose_nothing_and_readers_see_whole_files(tmp_path):
    path, faults, stop = tmp_path / "keys.json", [], threading.Event()
    add_key(path, new_key("first")[1])
    code = "import sys\nfrom liquid_ai.serving.keys import *\n"
    code += "for i in range(15): add_key(sys.argv[1], new_key(f'k{i}')[1])"

    def read():
        while not stop.is_set():
            try:
                read_keys(path)
            except InputError as e:
                faults.append(e)

    reader = threading.Thread(target=read)
    reader.start()
    writers = [subprocess.Popen([sys.executable, "-c", code, path], cwd=ROOT) for _ in range(2)]
    assert [w.wait(60) for w in writers] == [0, 0]
    stop.set()
    reader.join()
    assert len(read_keys(path)) == 31 and faults == []
    assert {p.name for p in tmp_path.iterdir()} <= {"keys.json", "keys.json.lock"}


def test_a_link_stays_a_link_and_a_failed_write_leaves_the_old_file(keys, monkeypatch, tmp_path):
    path, key, _ = keys
    link = tmp_path / "link.json"
    link.symlink_to(path)
    add_key(link, new_key("more")[1])
    assert link.is_symlink() and len(read_keys(path)) == 2
    whole = path.read_bytes()

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        add_key(path, new_key("more")[1])
    assert path.read_bytes() == whole
    assert {p.name for p in tmp_path.iterdir()} == {"keys.json", "keys.json.lock", "link.json"}


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": "a\nb"}, {"tenant": "a/b"}, {"scopes": ["root"]},
    {"principals": ["a/b"]}, {"days": -1}, {"days": float("inf")}, {"days": 10**9}])  # fmt: skip
def test_a_key_that_makes_no_sense_is_not_made(wrong):
    with pytest.raises(InputError):
        new_key(**({"name": "ann"} | wrong))


# tokens


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "PS256", "ES256", "EdDSA"])
def test_a_good_token_opens_by_each_algorithm(algorithm):
    found = Tokens(rules(algorithm)).find(signed(algorithm, principals=["ann"], groups=["sales", "ann"]))
    expected = ("acme/", "acme/ann", "acme/sales")
    assert found == Identity("ann", "acme", frozenset(["ask", "write"]), expected, "token")


CONFUSED = {
    "none": by_hand({"alg": "none"}, CLAIMS | {"exp": 9e9}),
    "None": by_hand({"alg": "None"}, CLAIMS | {"exp": 9e9}),
    "no alg": by_hand({}, CLAIMS | {"exp": 9e9}),
    "alg is a list": by_hand({"alg": ["ES256"]}, CLAIMS | {"exp": 9e9}),
    "alg is an object": by_hand({"alg": {"ES256": 1}}, CLAIMS | {"exp": 9e9}),
    "unsigned": by_hand({"alg": "ES256"}, CLAIMS | {"exp": 9e9}),
    "zeros": by_hand({"alg": "ES256"}, CLAIMS | {"exp": 9e9}, lambda text: bytes(64)),
    "crit": signed(headers={"crit": ["exp"], "exp": 1}),
    "kid": signed(headers={"kid": "../../etc/passwd"}) + b"x",
    "b64": by_hand({"alg": "ES256", "b64": False, "crit": ["b64"]}, CLAIMS),
    "jwk": by_hand({"alg": "ES256", "jwk": {"kty": "oct", "k": ""}}, CLAIMS | {"exp": 9e9}),
    "foreign": signed(signer=ec.generate_private_key(ec.SECP256R1())),
    "another algorithm": signed("EdDSA"),
    "secret": signed("HS256"),
    "header is a list": by_hand([], CLAIMS),
    "header is deep": by_hand(b"[" * 5000, CLAIMS),
    "huge": signed(padding="x" * 9000),
    "huge junk": b"a" * 10_000_000,
    "not UTF-8": b"\xff\xfe.\x80.\x00",
    "letters": "ünï.cödé.ß".encode(),
    "dots": b"." * 500,
    "empty": b"",
    "NUL": b"\x00",
    "five parts": b".".join([part({"alg": "dir", "enc": "A128GCM"})] * 5),
}  # fmt: skip


@pytest.mark.parametrize("sent", CONFUSED.values(), ids=CONFUSED)
def test_no_forged_token_opens(sent):
    tokens = Tokens(rules())
    authenticator = Authenticator(tokens=tokens)
    error = refusal(authenticator, b"Bearer " + sent)
    assert error.error == "invalid_token" and len(tokens) == 0
    long = [piece for piece in sent.decode("latin-1").split(".") if len(piece) > 12]
    assert not any(piece in str(error) + error.challenge for piece in long)


@pytest.mark.parametrize("hash", [hashlib.sha256, hashlib.sha384, hashlib.sha512])
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_an_hmac_with_the_public_key_does_not_open(algorithm, hash):
    pem = public(SIGNERS[algorithm])
    for secret in (pem, pem.strip(), pem.decode().replace("\n", "\\n").encode()):
        alg = {"alg": f"HS{hash().digest_size * 8}"}
        sent = by_hand(alg, CLAIMS | {"exp": 9e9}, lambda text: hmac.digest(secret, text, hash))  # noqa: B023
        refusal(Authenticator(tokens=rules(algorithm)), b"Bearer " + sent)


FOREIGN = {
    "exp": [1, 0, -1, "9999999999", None, True, [], {}, "x"],
    "nbf": [9e9, "x", None, []],
    "iat": [9e9, "x"],
}
FOREIGN |= {"iss": ["https://evil.example", "https://login.example/"], "aud": ["shop", ["shop"], [7], {}, ""]}
FOREIGN |= {"sub": ["", None, 7, "a\nb", "x" * 201, [], "\ud800", "e\u0301"], "jti": [7]}
FOREIGN |= {"tenant": ["", None, 7, [], "a/b", "/", "..\n", " acme", "acme\u200b", "\ud83d", False, 0]}
FOREIGN |= {
    "scope": [None, 7, ["ask"], {}],
    "principals": ["ann", None, [7], ["a/b"], [""], [None], [["ann"]], {}],
}
FOREIGN |= {"groups": ["ann", [{}], ["\u202e"], ["a"] * 257, 7]}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in FOREIGN.items() for value in values]
)
def test_a_claim_that_is_foreign_or_malformed_is_a_refusal(name, value):
    body = CLAIMS | {"exp": int(time.time()) + 600} | {name: value}
    signer = jwt.get_algorithm_by_name("ES256")
    sent = by_hand({"alg": "ES256"}, body, lambda text: signer.sign(text, SIGNERS["ES256"]))
    refusal(Authenticator(tokens=rules()), b"Bearer " + sent)


@pytest.mark.parametrize("missing", ["exp", "sub", "iss", "aud"])
def test_what_is_required_must_be_there(missing):
    refusal(Authenticator(tokens=rules()), b"Bearer " + signed(drop=[missing]))


NAMES_OF_CLAIMS = ["sub", "tenant", "scope", "principals", "groups", "exp", "nbf", "iss", "aud", "iat", "jti"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(claims=st.dictionaries(st.sampled_from(NAMES_OF_CLAIMS), VALUES))
def test_any_signed_claims_give_an_identity_or_a_refusal(claims):
    body = CLAIMS | {"exp": int(time.time()) + 600} | claims
    signer = jwt.get_algorithm_by_name("ES256")
    sent = by_hand({"alg": "ES256"}, body, lambda text: signer.sign(text, SIGNERS["ES256"]))
    try:
        found = Tokens(rules()).find(sent)
    except AuthError as error:
        assert error.status == 401
    else:
        assert (
            found.tenant == body["tenant"]
            and found.tenant != ""
            and found.principals[0] == f"{found.tenant}/"
        )


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_header_gives_an_identity_or_a_refusal(sent):
    authenticator = Authenticator(tokens=rules())
    for value in (sent, b"Bearer " + sent, b"Bearer lai_" + sent):
        refusal(authenticator, value)


def test_without_a_tenant_a_token_is_the_houses_unless_that_is_refused():
    sent = signed(drop=["tenant"])
    assert Tokens(rules()).find(sent).tenant == ""
    refusal(Authenticator(tokens=rules(tenant_required=True)), b"Bearer " + sent)


def test_a_remembered_token_ends_on_time_and_the_memory_is_bounded():
    now = [time.time()]
    tokens = Tokens(rules(leeway=5), remembered=10, clock=lambda: now[0])
    sent = [signed(jti=str(i), exp=int(now[0]) + 600) for i in range(30)]
    for one in sent:
        assert tokens.find(one) is tokens.find(one)  # the same object: not verified again
    assert len(tokens) == 10
    now[0] = int(now[0]) + 604
    assert tokens.find(sent[-1])
    now[0] += 1
    with pytest.raises(AuthError, match="expired"):
        tokens.find(sent[-1])


def test_threads_share_the_memory():
    tokens = Tokens(rules("HS256"), remembered=3)
    sent, faults = [signed("HS256", sub=f"u{i}") for i in range(8)], []

    def ask(own):
        for n in range(300):
            who = (own + n) % 8
            if tokens.find(sent[who]).subject != f"u{who}":
                faults.append(who)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert faults == [] and len(tokens) == 3


WEAK = [
    ((), SECRET),
    ("HS256", SECRET),
    (("none",), SECRET),
    (("HS256", "none"), SECRET),
    (("hs256",), SECRET),
]
WEAK += [(("HS256",), SECRET[:31]), (("HS512",), SECRET[:63]), (("HS256",), ""), (("HS256",), public(RSA))]
WEAK += [
    (("RS256", "HS256"), public(RSA)),
    (("ES256",), public(RSA)),
    (("RS256", "ES256"), public(RSA)),
    (("RS256",), "x"),
]
WEAK += [
    (("RS256",), RSA.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
]
WEAK += [(("RS256",), public(rsa.generate_private_key(65537, 1024))), ((7,), SECRET)]


@pytest.mark.parametrize(("algorithms", "key"), WEAK)
def test_rules_that_are_weak_or_do_not_fit_are_refused_at_start(algorithms, key):
    with pytest.raises(InputError) as raised:
        TokenRules(algorithms, key)
    assert not key or (key if isinstance(key, str) else key.decode())[:10] not in str(raised.value).replace(
        "-----", ""
    )


def test_no_secret_is_in_a_repr():
    assert SECRET not in repr(rules("HS256"))


# the header


def test_the_header_alone_decides(keys):
    path, key, _ = keys
    authenticator = Authenticator(KeyFile(path), rules())
    for value in (f"Bearer {key}", f"bearer {key}", f"BEARER   {key} "):
        assert authenticator.identify(value.encode()).kind == "key"
    assert authenticator.identify(b"Bearer " + signed()).kind == "token"
    for value in (
        None,
        b"",
        key.encode(),
        b"Basic " + key.encode(),
        b"Bearer" + key.encode(),
        b"Bearer\t" + key.encode(),
    ):
        assert refusal(authenticator, value).error == ""  # RFC 6750: no code for who brought nothing
    with pytest.raises(AuthError):
        authorization([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")])


def test_a_server_takes_what_it_was_given_only(keys):
    path, key, _ = keys
    refusal(Authenticator(tokens=rules()), f"Bearer {key}".encode())
    refusal(Authenticator(KeyFile(path)), b"Bearer " + signed())
    refusal(Authenticator(KeyFile(path), open=ANYONE), b"Bearer lai_x")
    assert Authenticator(KeyFile(path), open=ANYONE).identify(None) is ANYONE
    assert Authenticator(open=ANYONE).identify(b"Basic x") is ANYONE
    with pytest.raises(InputError, match="nobody could get in"):
        Authenticator()


@pytest.mark.parametrize("scope", ["ask", "write", "admin"])
def test_a_scope_is_had_or_not(scope):
    require(identity_of("ann", scopes=[scope]), scope)
    others = {"ask", "write", "admin"} - {scope}
    with pytest.raises(AuthError) as raised:
        require(identity_of("ann", scopes=others), scope)
    assert raised.value.status == 403 and f'scope="{scope}"' in raised.value.challenge
    with pytest.raises(AuthError) as raised:
        require(Identity(scopes=frozenset(others)), scope)
    assert raised.value.status == 401


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.255.0.1", "::1", "[::1]", "unix:/x", "/run/x.sock"]
)
def test_loopback_needs_no_authentication(host):
    assert not needs_auth(host)


REACHED = [
    "0.0.0.0",
    "::",
    "",
    "*",
    "192.168.0.2",
    "10.0.0.1",
    "::ffff:10.0.0.1",
    "fe80::1%lo",
    "example.org",
]
REACHED += ["localhost.example.org", "127.0.0.1.example.org", "LOCALHOST.", "0", "127.1", "[::]"]


@pytest.mark.parametrize("host", REACHED)
def test_everything_else_does(host):
    assert needs_auth(host)


# companies apart

ODD = [
    "acme",
    "Acme",
    "ACME",
    "acme2",
    "аcme",
    "ａcme",
    "acmé",
    "acme.",
    "a",
    "*",
    "%",
    "..",
    "acme\\",
    "acme／",
    "acme∕x",
]
NAMES = [
    "ann",
    "Ann",
    "аnn",
    "sales",
    "acme",
    "*",
    "everyone",
    "None",
    "İ",
    "ı",
    "ß",
    "SS",
    "ﬁ",
    "日本",
    "a b",
    "a,b",
    '"',
]
names = st.sampled_from(NAMES) | st.text(min_size=1, max_size=6).filter(lambda t: _usable(t))
tenants = st.sampled_from(ODD) | st.text(min_size=1, max_size=6).filter(lambda t: _usable(t))


def _usable(name) -> bool:
    try:
        return bool(check_name(name, "it"))
    except InputError:
        return False


@settings(max_examples=1000, deadline=None)
@given(
    one=tenants,
    two=tenants,
    posted=st.lists(names, max_size=3),
    who=st.lists(names, max_size=3),
    subject=names,
)
def test_nothing_of_one_company_is_read_or_changed_by_another(one, two, posted, who, subject):
    assume(one != two)
    poster = identity_of(subject, one, ["ask", "write"], posted)
    other = identity_of(subject, two, ["ask", "write", "admin"], [*who, *posted])
    house = identity_of(subject, "", ["ask"], [*who, *posted, one, two])
    access = owned_access(poster, posted)
    assert access and not may_read(access, other) and not may_change(access, other)
    assert not may_read(access, house) and not may_read(access, ANYONE) and not may_change(access, house)
    assert may_read(access, poster) and may_change(access, poster)
    assert other.label != poster.label
    assert Document.of("x", "same", tenant=one).id != Document.of("x", "same", tenant=two).id
    # as the store decides it
    assert _hidden({0: frozenset(access)}, frozenset(other.principals)) == [0]
    assert _hidden({0: frozenset(access)}, frozenset(poster.principals)) == []


@settings(max_examples=500, deadline=None)
@given(
    access=st.lists(st.builds("{}/{}".format, tenants, names | st.just("")) | names, max_size=4),
    one=tenants,
    who=st.lists(names, max_size=3),
    scopes=st.sets(st.sampled_from(["ask", "write"])),
)
def test_reading_is_what_the_store_shows_and_changing_is_what_is_wholly_ones_own(access, one, who, scopes):
    identity = identity_of("ann", one, scopes, who)
    hidden = bool(access) and _hidden({0: frozenset(access)}, frozenset(identity.principals)) == [0]
    assert may_read(access, identity) == (not hidden)
    own = bool(access) and all(name.split("/")[0] == one and "/" in name for name in access)
    assert may_change(access, identity) == (own and "write" in scopes)


@settings(max_examples=500, deadline=None)
@given(
    tenant=tenants,
    posted=st.lists(
        st.text(max_size=8) | st.sampled_from(["acme/", "acme/ann", "/", "acme2/x", "acme/acme/x"]),
        max_size=3,
    ),
)
def test_whatever_is_asked_for_the_list_stays_within_the_company(tenant, posted):
    identity = identity_of("ann", tenant, ["write"])
    try:
        access = owned_access(identity, posted)
    except InputError:
        return
    assert access and all(name.startswith(f"{tenant}/") and name.count("/") == 1 for name in access)
    assert owned_access(identity, access) == access  # what was read can be posted again


def test_the_house_posts_as_it_says_and_changes_all():
    house = identity_of("operator", "", ["write"], ["ann"])
    assert house.principals == ("ann",)
    assert owned_access(house, ["ann", "acme/"]) == ("ann", "acme/") and owned_access(house) == ()
    assert all(may_change(access, house) for access in ((), ("acme/",), ("ann",)))
    assert not may_change((), identity_of("reader", "", ["ask", "admin"]))
    for wrong in ("ann", b"ann", {"a": 1}, [""], [7]):
        with pytest.raises(InputError):
            owned_access(house, wrong)
        with pytest.raises(InputError):
            owned_access(identity_of("ann", "acme"), wrong)


def test_labels_of_the_house_are_not_those_of_a_company():
    assert identity_of("acme/ann").label != identity_of("ann", "acme").label
    assert identity_of("acme%2Fann").label != identity_of("acme/ann").label


# the command line


def run(capsys, *words):
    code = main([str(word) for word in words])
    return code, capsys.readouterr()


def test_a_key_from_the_command_line_opens_until_it_is_revoked(capsys, tmp_path):
    path = tmp_path / "deep" / "keys.json"
    asked = ["new", "website", "--file", path, "--tenant", "acme", "--scope", "ask", "--scope", "write"]
    code, out = run(capsys, "keys", *asked, "--principals", "ann", "--days", "2", "--json")
    made = json.loads(out.out)
    assert code == 0 and "hash" not in made
    file = KeyFile(path, every=0)
    found = file.find(made["key"].encode())
    assert (found.label, found.principals, set(found.scopes)) == (
        "acme/website",
        ("acme/", "acme/ann"),
        {"ask", "write"},
    )
    code, out = run(capsys, "keys", "list", "--file", path, "--json")
    [listed] = json.loads(out.out)["keys"]
    assert (
        listed == {name: value for name, value in made.items() if name != "key"}
        and listed["state"] == "in force"
    )
    code, out = run(capsys, "keys", "list", "--file", path)
    assert made["id"] in out.out and made["key"] not in out.out
    assert run(capsys, "keys", "revoke", made["id"], "--file", path)[0] == 0
    with pytest.raises(AuthError, match="revoked"):
        file.find(made["key"].encode())
    code, out = run(capsys, "keys", "new", "bob", "--file", path)
    assert file.find(out.out.strip().encode()).subject == "bob"  # stdout is the key and nothing else
    assert out.out.strip() not in out.err


@pytest.mark.parametrize("words", [["new"], ["new", "a", "--scope", "root"], ["new", "a", "--tenant", "a/b"],
    ["new", "a", "--days", "-1"], ["revoke", "0"], ["list"], ["list", "--file", "."]])  # fmt: skip
def test_wrong_use_of_keys_is_two_and_makes_no_file(capsys, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    code, out = run(capsys, "keys", *words)
    assert code == 2 and out.out == "" and list(tmp_path.iterdir()) == []


def test_an_expired_key_is_listed_so(capsys, tmp_path):
    entry = new_key("old")[1]
    add_key(tmp_path / "keys.json", ApiKey(entry.id, entry.hash, "old", expires=5))
    code, out = run(capsys, "keys", "list", "--file", tmp_path / "keys.json")
    assert code == 0 and "expired" in out.out and "1970-01-01" in out.out
