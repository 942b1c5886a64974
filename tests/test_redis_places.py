"""Cache and limits in Redis with sentinels, in a cluster, with TLS; masters killed and halted at work."""

import random
import socket
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest
from redis_servers import Cluster, Process, Sentinels, free_port, until
from served import Slow, opened, running, served
from test_serving_tls import certificate

from liquid_ai.core import Answer, Chunk, Hit, Hits, InputError
from liquid_ai.generation.cache import open_store
from liquid_ai.generation.cache_entry import Entry, cache_key
from liquid_ai.generation.cache_redis import RedisStore
from liquid_ai.generation.cache_store import Bounds
from liquid_ai.generation.limit import Limiter
from liquid_ai.generation.quota import LimitDown, MemoryQuota, Rates
from liquid_ai.generation.redis_place import shown_place
from liquid_ai.generation.redis_quota import RedisQuota

SECRET = "s3cret"


def entry(n: int, *documents: str) -> Entry:
    key = cache_key(f"question {n}", index="i", encoder="e", model="m", adapter="", prompt="p")
    hits = Hits([Hit(Chunk(f"{d}-{n}", d, "text", 0, 4), 1.0, 1) for d in documents or ("doc",)])
    return Entry(key.digest, time.time(), Answer(f"question {n}", "text", hits=hits))


class Traffic:
    "Threads that ask without end, and what became of it: (when, seconds, outcome)."

    def __init__(self, ask, threads: int = 4):
        self.ask, self.seen, self.over = ask, [], threading.Event()
        self.threads = [threading.Thread(target=self.go_on, args=(n,), daemon=True) for n in range(threads)]

    def go_on(self, who: int) -> None:
        n = 0
        while not self.over.is_set():
            began, n = time.monotonic(), n + 1
            try:
                told = self.ask(who, n)
            except LimitDown:
                told = "down"
            self.seen.append((began, time.monotonic() - began, told))
            time.sleep(0.01)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        for t in self.threads:
            t.join(30)
            assert not t.is_alive(), "a request hangs"

    def since(self, when: float) -> list:
        return [told for began, _, told in list(self.seen) if began > when]


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory):
    with Sentinels(tmp_path_factory.mktemp("sentinels")) as found:
        yield found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


# ---- sentinels


@pytest.mark.parametrize("how", ["killed", pytest.param("halted", marks=pytest.mark.slow)])
def test_when_the_master_is_gone_the_next_one_counts_and_keeps(tmp_path, how, record_property):
    "A halted one is as one that a split network cuts off: it comes back and believes that it is master."
    with Sentinels(tmp_path) as there, ExitStack() as stack:
        closed = Limiter(1_000_000, 3600, storage=there.url, timeout=0.5)
        free = Limiter(1_000_000, 3600, storage=there.url, timeout=0.5, on_failure="open")
        store = RedisStore(there.url, Bounds(ttl=600))
        for one in (closed, free, store):
            stack.callback(one.close)
        with closed("before"):
            assert store.set(entry(0))
        with there.master.client() as client:
            assert client.wait(1, 5_000) == 1  # the replica has both

        def ask(who, n):
            if who == 0:
                with closed("ann"):
                    return "counted"
            if who == 1:
                with free("bob") as grant:
                    return "counted" if grant.reading.counted else "free"
            return store.set(entry(n)) and store.get(entry(n).key) is not None

        with warnings.catch_warnings(), Traffic(ask) as traffic:
            warnings.simplefilter("ignore")
            until(lambda: {"counted", True} <= set(traffic.since(0)))
            gone = time.monotonic()
            there.master.kill() if how == "killed" else there.master.halt()
            until(lambda: "down" in traffic.since(gone) and "free" in traffic.since(gone))
            until(lambda: {"counted", True} <= set(traffic.since(gone)[-8:]), 60)
            spent = time.monotonic() - gone
            record_property("failover_seconds", round(spent, 1))
            print(f"failover, {how}: {spent:.1f} s")
            if how == "halted":
                there.master.go_on()
                until(lambda: there.master.client().info("replication")["role"] == "slave")
            back = time.monotonic()
            time.sleep(1.5)
            assert set(traffic.since(back)) == {"counted", True}  # nobody goes to the old one
        assert (
            max(spent for _, spent, _ in traffic.seen) < 6
        )  # seconds: nobody waits longer, whatever happens
        assert {told for _, _, told in traffic.seen} <= {"counted", "free", "down", True, False}
        assert "down" not in {t for t in traffic.seen if t[2] == "free"}
        assert closed.read("before").remaining == 999_999  # what was counted and kept is still there
        assert store.get(entry(0).key) is not None
        with there.replica.client() as client:
            assert client.info("replication")["role"] == "master"


def test_sentinels_and_servers_have_passwords_of_their_own(tmp_path):
    with Sentinels(tmp_path, password=SECRET, own="0ther") as there:
        url = f"redis+sentinel://:{SECRET}@{there.hosts}/answers?sentinel_password=0ther"
        quota = RedisQuota(Rates(5, 60), url)
        assert quota.admit("ann").admitted and quota.read("ann").remaining == 4
        quota.close()
        for mistake in ((SECRET, SECRET + "x"), ("=0ther", "=0therx"), ("/answers", "/others")):
            lost = RedisQuota(Rates(), url.replace(*mistake))
            with pytest.raises(LimitDown, match=r"password of the address|No sentinel that answers") as told:
                lost.admit("ann")
            assert SECRET not in str(told.value) and "0ther" not in str(told.value)
            lost.close()


# ---- a cluster


def test_every_script_and_every_key_finds_its_node(cluster):
    rng, rates = random.Random(1), Rates(20, 3600, 1, 500)
    memory, shared = MemoryQuota(rates, lambda: 1000.0), RedisQuota(rates, cluster.url)
    for _ in range(300):
        key, tokens = f"client {rng.randint(0, 30)}", rng.randint(0, 60)
        if rng.random() < 0.3:
            memory.settle(key, 7), shared.settle(key, 7)
        one, two = memory.admit(key, tokens), shared.admit(key, tokens)
        assert one.admitted == two.admitted and one.reading.remaining == two.reading.remaining
    holds = [p for p in cluster.processes if p.client().dbsize()]
    assert len(holds) >= 6  # all masters, and so their replicas
    shared.close()


def test_answers_in_a_cluster_are_found_forgotten_and_cleared(cluster):
    store = RedisStore(cluster.url, Bounds(ttl=600), namespace="here")
    other = RedisStore(cluster.url, Bounds(ttl=600), namespace="there")
    assert other.set(entry(1, "a"))
    kept = [entry(n, f"d{n % 4}", f"e{n % 3}") for n in range(40)]
    assert all(store.set(e) for e in kept) and [store.get(e.key) for e in kept] == kept
    assert store.stats()["entries"] == 40 and store.stats()["failures"] == 0
    assert store.forget("d1") == 10 and store.forget("d1") == 0
    assert [store.get(e.key) is None for e in kept] == [n % 4 == 1 for n in range(40)]
    assert store.delete(kept[0].key) and not store.delete(kept[0].key)
    store.clear()
    assert store.stats()["entries"] == 0 and other.get(entry(1, "a").key) is not None
    other.clear(), other.close(), store.close()


def test_one_node_that_is_gone_takes_only_its_own_part(tmp_path):
    with Cluster(tmp_path) as there:
        quota = RedisQuota(Rates(1_000_000, 3600), there.url, timeout=0.5)
        keys = [f"client {n}" for n in range(30)]
        assert all(quota.admit(k).admitted for k in keys)
        node = {
            k: quota._redis.client().get_node_from_key(f"{quota._prefix}:{{{k}}}:window").port for k in keys
        }
        lost = node[keys[0]]
        dead = [there.replica_of(lost), there.of(lost)]
        with there.of(lost).client() as client:
            assert client.wait(1, 5_000) == 1
        dead[1].kill()
        gone = time.monotonic()

        def ask(who, n):
            return keys[(who * 7 + n) % 30] if quota.admit(keys[(who * 7 + n) % 30]).admitted else "refused"

        with Traffic(ask) as traffic:
            until(lambda: keys[0] in traffic.since(gone), 60)  # its replica has taken over
            print(f"failover of a cluster's node: {time.monotonic() - gone:.1f} s")
            assert quota.read(keys[0]).remaining < 999_999
            dead[0].kill()  # and now nobody has these keys
            until(lambda: "down" in traffic.since(gone)[-30:])
            alone = time.monotonic()
            time.sleep(3)
            for one in dead:
                one.start()
            seen = traffic.since(alone)
            others = [k for k in keys if node[k] != lost]
            assert set(others) <= set(seen) and "down" in seen  # the rest is counted as if nothing were
            back = time.monotonic()
            until(lambda: set(keys) <= set(traffic.since(back)), 60)
        assert max(spent for _, spent, _ in traffic.seen) < 6
        quota.close()


# ---- wrong addresses, and what answers there


@pytest.mark.parametrize(
    "url",
    [
        f"redis+sentinel://ann:{SECRET}@host:26379",
        f"redis+sentinel://ann:{SECRET}@host:26379/answers/x",
        f"redis+sentinel://ann:{SECRET}@/answers",
        f"redis+sentinel://ann:{SECRET}@host:port/answers",
        f"redis+sentinel://ann:{SECRET}@host:1,,host:2/answers",
        f"redis+cluster://ann:{SECRET}@host:7000/3",
        f"redis+cluster://ann:{SECRET}@host:7000/answers",
        f"redis+cluster://ann:{SECRET}@host:7000?socket_timeout={SECRET}",
        f"redis+cluster://ann:{SECRET}@host:7000?wrong={SECRET}",
        f"redis://ann:{SECRET}@host:6379?wrong={SECRET}",
        f"redis://ann:{SECRET}/@host:6379",
        f"redis://ann:a?{SECRET}@host:x",
        f"redis://ann:a#{SECRET}@host:x",
        f"redis+nothing://ann:{SECRET}@host",
        f"postgres://ann:{SECRET}@host/1",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(url):
    for make in (lambda: Limiter(storage=url), lambda: open_store(url, Bounds())):
        with pytest.raises(InputError, match=r"address of Redis|one database|no store") as told:
            make()
        assert SECRET not in str(told.value)


def test_what_is_shown_holds_no_password():
    urls = [f"redis://ann:{SECRET}@host/0?password={SECRET}", f"redis://ann:a@{SECRET}@host/0"]
    urls += [
        f"redis://ann:a?{SECRET}@host/0",
        f"redis+sentinel://:{SECRET}@a,b/s?sentinel_password=x@{SECRET}",
    ]
    assert not any(SECRET in shown_place(url) for url in urls)
    assert shown_place(f"rediss+cluster://ann:{SECRET}@a:1,b:2") == "rediss+cluster://a:1,b:2"


def trouble(url: str, seconds: float = 3.0) -> str:
    "What a quota says that cannot count there; in time, twice."
    quota = RedisQuota(Rates(), url, timeout=0.5)
    began = time.monotonic()
    with pytest.raises(LimitDown) as told:
        quota.admit("ann")
    with pytest.raises(LimitDown):
        quota.admit("bob")
    assert time.monotonic() - began < seconds
    quota.close()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        began, store = time.monotonic(), RedisStore(url)
        assert store.get(entry(1).key) is None and not store.set(entry(1)) and store.forget("doc") == 0
        assert time.monotonic() - began < seconds and len(said) in (1, 2)  # gone, and refused
        store.close()
    return str(told.value)


def test_one_kind_of_redis_where_another_is_named(cluster, sentinels):
    alone = sentinels.master.port
    moved = []
    for p in cluster.processes:
        try:
            RedisQuota(Rates(), f"redis://127.0.0.1:{p.port}").admit("ann")  # one has the key by chance
        except LimitDown as e:
            moved.append(str(e))
    assert len(moved) == 5 and all("write redis+cluster://" in told for told in moved)
    assert "write redis://" in trouble(f"redis+cluster://127.0.0.1:{alone}")
    assert "no Redis, or older" in trouble(f"redis+sentinel://127.0.0.1:{alone}/answers")
    assert "replica" in trouble(f"redis://127.0.0.1:{sentinels.replica.port}")
    assert "a master of this name" in trouble(f"redis+sentinel://{sentinels.hosts}/others")


OLD = b"-ERR unknown command `HELLO`, with args beginning with: `3`\r\n"


@pytest.mark.parametrize("scheme", ["redis://{}", "redis+sentinel://{}/answers", "redis+cluster://{}"])
@pytest.mark.parametrize("said", [OLD, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"*1000000\r\n"])
def test_what_is_no_redis_says_so_in_time(scheme, said):
    with fake(said) as port:
        told = trouble(scheme.format(f"127.0.0.1:{port}"))
        assert "cannot be used" in told and len(told) < 600


@pytest.mark.parametrize(
    "scheme", ["redis://{0}", "redis+sentinel://{0},{1}/answers", "redis+cluster://{0},{1}"]
)
def test_where_nobody_listens_it_says_so_at_once(scheme):
    told = trouble(scheme.format("127.0.0.1:1", "127.0.0.1:2"), 1.5)
    assert "cannot be used" in told and "127.0.0.1:1" in told


@contextmanager
def fake(said: bytes):
    "The port of a server that says one thing to everything; nothing where it is empty."

    def talk(connection):
        with connection, suppress(OSError):
            while connection.recv(4096):
                connection.sendall(said)

    def accept():
        with suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(listening.accept()[0],), daemon=True).start()

    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, daemon=True).start()
    yield listening.getsockname()[1]
    listening.close()


def test_an_encrypted_server(tmp_path):
    cert, key = certificate(tmp_path)
    options = [
        "--tls-cert-file",
        cert,
        "--tls-key-file",
        key,
        "--tls-ca-cert-file",
        cert,
        "--tls-auth-clients",
        "no",
    ]
    port, plain = free_port(), free_port()
    server = Process(tmp_path, "--tls-port", str(port), *options, port=plain)
    try:
        quota = RedisQuota(Rates(5, 60), f"rediss://127.0.0.1:{port}?ssl_ca_certs={cert}", timeout=2)
        assert quota.admit("ann").admitted
        store = RedisStore(f"rediss://127.0.0.1:{port}?ssl_ca_certs={cert}&socket_timeout=2", Bounds(ttl=60))
        assert store.set(entry(1)) and store.get(entry(1).key)
        with pytest.raises(LimitDown, match="certificate"):
            RedisQuota(Rates(5, 60), f"rediss://127.0.0.1:{port}", timeout=2).admit("ann")
        quota.close(), store.close()
    finally:
        server.kill()


# ---- the whole server, while Redis goes and comes


@pytest.mark.parametrize("on_failure", ["open", "closed"])
def test_no_answer_is_lost_when_redis_dies_under_traffic(tmp_path, on_failure):
    there = Process(tmp_path)
    rag = opened(tmp_path / "store", Slow(0.002), limit_storage=there.url, answer_cache=there.url,
                 limit_requests=1_000_000, limit_on_failure=on_failure)  # fmt: skip
    seen, over = [], threading.Event()

    def ask(who: int, url: str) -> None:
        with httpx.Client(base_url=url, timeout=60) as http:
            n = 0
            while not over.is_set():
                question = f"What do grey herons eat? {who if n % 2 else n}"  # half of them again and again
                began, n = time.monotonic(), n + 1
                got = http.post("/ask", json={"question": question})
                seen.append((began, time.monotonic() - began, got.status_code, got.headers, got.text))

    try:
        with warnings.catch_warnings(), running(served(rag)) as app, ThreadPoolExecutor(4) as pool:
            warnings.simplefilter("ignore")
            jobs = [pool.submit(ask, who, str(app.url)) for who in range(4)]
            try:
                until(lambda: len(seen) > 20)
                there.kill()
                gone, before = time.monotonic(), len(seen)
                until(lambda: len(seen) > before + 40)
                there.start()
                back = time.monotonic()
                until(lambda: sum(began > back + 1.2 for began, *_ in list(seen)) > 20)
            finally:
                over.set()
            for job in jobs:
                job.result(60)
    finally:
        there.kill()
        rag.close()
    refused = [s for s in seen if s[2] != 200]
    assert max(s[1] for s in seen) < 8  # seconds
    assert all("herons" in s[4] for s in seen if s[2] == 200)
    assert any('"exact"' in s[4] for s in seen if s[0] < gone) and any(
        '"exact"' in s[4] for s in seen if s[0] > back
    )
    if on_failure == "open":
        assert not refused
    else:
        assert refused and all(s[2] == 503 and int(s[3]["retry-after"]) > 0 for s in refused)
        assert all(gone - 1 < s[0] + s[1] and s[0] < back + 1.5 for s in refused)
