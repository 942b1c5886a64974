"""Companies in one store: whatever they post and ask, none learns of another's documents or changes them."""

import json
import unicodedata
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from served import QUESTION, Local, Slow, gives_nothing_away, is_problem, opened, served

from liquid_ai import Document
from liquid_ai.serving.auth import add_key, new_key

TENANTS = ["acme", "Acme", "acm\u0435", "evil"]  # the third has a Cyrillic letter
PEOPLE = ["ann", "sales", "Ann", "\u0430nn"]
VOICES = [(tenant, name) for tenant in TENANTS for name in ("ann", "sales")]
SOURCES = ["report", "Report", "rep\u043ert", "acme/report", "evil/report", "../report", "house", "\u00e9"]
SOURCES += ["e\u0301", "report\u200b", "report ", "", "\0", "a" * 300]
ACCESS = [[], ["ann"], ["sales"], ["Ann", "\u0430nn"], ["nobody"], ["ann", "sales"]]
TOPICS = ["herons", "merger", "salary", "bridge"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    "A server and its people."
    folder, who = tmp_path_factory.mktemp("tenants"), {}
    path = str(folder / "keys.json")
    for tenant, name in VOICES:
        key, row = new_key(name, tenant, ("ask", "write"), (name,))
        add_key(path, row)
        who[tenant, name] = {"Authorization": f"Bearer {key}"}
    key, row = new_key("house", "", ("ask", "write", "admin"))
    add_key(path, row)
    documents = [Document.of("Owls hunt at night.", "house")]
    rag = opened(folder / "store", Slow(), documents, limit_requests=1_000_000)
    client = Local(served(rag, keys=path))
    yield SimpleNamespace(client=client, who=who, house={"Authorization": f"Bearer {key}"}, rag=rag, count=0)
    client.close()
    rag.close()


class Story:
    "What was posted by whom, and what everybody was told."

    def __init__(self, world):
        self.world, self.documents, self.gone, self.traces = world, {}, [], []

    def call(self, voice, method, path, **more):
        w = self.world
        r = w.client.request(method, path, headers=w.who[voice] | more.pop("headers", {}), **more)
        assert r.status_code < 500 or r.status_code == 504, (voice, method, path, more, r.text)
        gives_nothing_away(r.text)
        if r.status_code >= 400:
            is_problem(r) if not path.startswith("/v1") else None
        self.check(voice, r, json.dumps(more, ensure_ascii=False) + path)
        return r

    def may_read(self, voice, document) -> bool:
        tenant, name = voice
        access = [a.removeprefix(f"{tenant}/") for a in document.access]
        return document.tenant == tenant and (not access or name in access or "" in access)

    def check(self, voice, r, asked: str) -> None:
        "Nothing that `voice` is told is of a document that is not theirs, unless they said it themselves."
        told = r.text + json.dumps(list(r.headers.items()))
        told += (
            json.dumps(r.json(), ensure_ascii=False) if "json" in r.headers.get("content-type", "") else ""
        )
        for d in [*self.documents.values(), *self.gone]:
            if d.gone or not self.may_read(voice, d):
                for secret in (d.word, d.title, d.value, *([] if d.tenant == voice[0] else [d.id])):
                    assert secret in asked or secret not in told, (voice, d, r.request.url, told[:2_000])

    def post(self, voice, source, access, field, many=1):
        world, sent = self.world, []
        for n in range(many):
            world.count += 1
            word = f"zq{world.count:06d}xw"
            name = source if not n else f"{source}-{n}"
            text = f"The {word} merger pays herons a salary for the bridge."
            facts = {"title": f"title{word}", "meta": {f"field{word}": "x", field: f"value{word}"}}
            sent.append({"text": text, "source": name, "access": access} | facts)
        r = self.call(voice, "POST", "/documents", json={"documents": sent})
        if r.status_code != 200:
            assert r.status_code == 422 and (not source or any("/" in a for a in access)), r.text
            return
        for d, told in zip(sent, r.json()["documents"], strict=True):
            assert told["status"] == "parsed" and told["source"] == d["source"]
            word = d["title"].removeprefix("title")
            new = SimpleNamespace(
                id=told["document_id"], tenant=voice[0], access=access, word=word, gone=False
            )
            new.text, new.title, new.value = d["text"], d["title"], f"value{word}"
            before = self.documents.get(new.id)
            if before:
                assert before.tenant == voice[0], "one tenant's document took the place of another's"
                before.gone = True
                self.gone.append(before)
            self.documents[new.id] = new

    def names(self, which: int, trick: int) -> str:
        "An id that is there, that was there, or that looks like one."
        known = [*self.documents, *(d.id for d in self.gone), "0" * 16]
        id = known[which % len(known)]
        tricks = [
            id,
            id,
            id,
            id.upper(),
            f" {id}",
            f"{id}%20",
            f"{id}%00",
            f"{id}-0",
            f"{id}/",
            id[:8],
        ]
        tricks += [
            f"{id}%2F",
            f"..%2Fdocuments%2F{id}",
            unicodedata.normalize("NFKD", id) + "\u0301",
            f"{id}?x",
        ]
        return tricks[trick % len(tricks)]

    def read(self, voice, which, trick):
        id = self.names(which, trick)
        r = self.call(voice, "GET", f"/documents/{id}")
        d = self.documents.get(id)
        if d is not None and self.may_read(voice, d):
            assert r.status_code == 200 and r.json()["text"] == d.text
        else:
            self.same_as_missing(voice, "GET", id, r)

    def delete(self, voice, which, trick):
        id = self.names(which, trick)
        d = self.documents.get(id)
        r = self.call(voice, "DELETE", f"/documents/{id}")
        if d is not None and d.tenant == voice[0]:
            assert r.status_code == 204, r.text
            d.gone = True
            self.gone.append(self.documents.pop(id))
        else:
            self.same_as_missing(voice, "DELETE", id, r)

    def same_as_missing(self, voice, method, id, r):
        "What is not theirs is answered as what is not there: body, status, names of headers."
        if r.status_code == 404 and "Not Found" not in r.json()["detail"]:
            missing = self.call(voice, method, "/documents/ffffffffffffffff")
            assert (r.status_code, r.content) == (missing.status_code, missing.content)
            assert sorted(r.headers) == sorted(missing.headers)
        else:
            assert r.status_code in (200, 204, 404) and (r.status_code == 404 or "?" in id), (id, r.text)
            if r.status_code != 404:  # `id?x` is the id
                d = self.documents.get(id[:-2])
                assert d is not None and d.tenant == voice[0]
                if method == "DELETE":
                    d.gone = True
                    self.gone.append(self.documents.pop(d.id))

    def ids_are_mine(self, voice, found):
        for id in found:
            d = self.documents.get(id)
            assert (d is None and id == self.house_id()) or (d and self.may_read(voice, d)), (voice, id, d)

    def house_id(self):
        return Document.of("", "house").id

    def question(self, which: int) -> str:
        words = [d.word for d in self.documents.values()] or ["nothing"]
        return f"Who pays the {TOPICS[which % 4]} of {words[which % len(words)]}?"

    def search(self, voice, which, condition):
        known = [*self.documents.values(), *self.gone]
        d = known[which % len(known)] if known else SimpleNamespace(id="x", word="x", title="x", value="x")
        where = [None, {"id": d.id}, {"title": d.title}, {f"field{d.word}": "x"}, {"topic": d.value}]
        where += [
            {"id": {">": ""}},
            {"source": SOURCES},
            {"access": f"{TENANTS[which % 4]}/"},
            {"tenant": "acme"},
        ]
        body = {"question": self.question(which), "top_k": 50, "where": where[condition % len(where)]}
        r = self.call(voice, "POST", "/search", json=body)
        if r.status_code == 200:
            self.ids_are_mine(voice, [p["document_id"] for p in r.json()["passages"]])
        else:  # a field of others is as unknown as one that nobody has
            [field] = body["where"]
            other = body | {"where": {"field-of-nobody": 1}}
            missing = self.call(voice, "POST", "/search", json=other)
            assert r.text.replace(field, "F") == missing.text.replace("field-of-nobody", "F")

    def ask(self, voice, which, path, wish):
        headers = {"Cache-Control": wish} if wish else {}
        body = {"question": self.question(which), "passages": True}
        if path.startswith("/v1"):
            body = {"model": "liquid_ai", "messages": [{"role": "user", "content": body["question"]}]}
        r = self.call(voice, "POST", path, json=body, headers=headers)
        if r.status_code == 200 and path in ("/ask", "/ask/simple"):
            a = r.json()
            self.ids_are_mine(voice, [p["document_id"] for p in a["passages"]])
            self.ids_are_mine(voice, [c["document_id"] for c in a["citations"]])
            self.traces.append((voice[0], a["trace_id"]))

    def feedback(self, voice, which):
        tenant, trace = self.traces[which % len(self.traces)] if self.traces else ("", "0" * 16)
        body = {"trace_id": trace, "rating": "up", "comment": "x"}
        r = self.call(voice, "POST", "/feedback", json=body)
        if tenant == voice[0]:
            assert r.status_code == 200, r.text
        else:
            missing = self.call(voice, "POST", "/feedback", json=body | {"trace_id": "f" * 16})
            assert (r.status_code, r.content) == (404, missing.content)

    def elsewhere(self, voice, which):
        "What else there is to see."
        path = ["/status", "/openapi.json", "/v1/models", "/health/ready", "/nowhere", "/adapter", "/stats"][
            which % 7
        ]
        self.call(voice, "GET", path)

    def end(self):
        "Every document is as its tenant left it; then the house clears up."
        for d in self.documents.values():
            readers = [v for v in VOICES if self.may_read(v, d)]
            for voice in readers:
                assert self.call(voice, "GET", f"/documents/{d.id}").json()["text"] == d.text
            for voice in set(VOICES) - set(readers):
                assert self.call(voice, "GET", f"/documents/{d.id}").status_code == 404
        for id in [*self.documents]:
            assert self.world.client.delete(f"/documents/{id}", headers=self.world.house).status_code == 204
        assert self.world.rag.store.counts()["documents"] == 1


N, VOICE = st.integers(0, 60), st.sampled_from(VOICES)
PATHS = st.sampled_from(["/ask", "/ask/simple", "/ask/stream", "/v1/chat/completions"])
WISHES = st.sampled_from(["", "", "no-store", "only-if-cached", "no-cache"])
STEPS = st.one_of(
    st.tuples(
        st.just("post"), VOICE, st.sampled_from(SOURCES), st.sampled_from(ACCESS), st.sampled_from(TOPICS)
    ),
    st.tuples(st.just("post"), VOICE, st.just("report"), st.just([]), st.just("topic"), st.integers(1, 3)),
    st.tuples(
        st.just("post"),
        VOICE,
        st.just("report"),
        st.sampled_from([["evil/ann"], ["acme/"], ["/"]]),
        st.just("a"),
    ),
    st.tuples(st.just("read"), VOICE, N, N),
    st.tuples(st.just("delete"), VOICE, N, N),
    st.tuples(st.just("search"), VOICE, N, N),
    st.tuples(st.just("search"), VOICE, N, N),
    st.tuples(st.just("ask"), VOICE, N, PATHS, WISHES),
    st.tuples(st.just("feedback"), VOICE, N),
    st.tuples(st.just("elsewhere"), VOICE, N),
)
FIRST = [("post", voice, "report", [], "topic") for voice in VOICES[::2]]  # each tenant one, of one name


def tell(world, steps) -> None:
    story = Story(world)
    try:
        for step in [*FIRST, *steps]:
            getattr(story, step[0])(*step[1:])
        story.end()
    except BaseException:
        for id in [*world.rag.snapshot().facts.values()]:
            if id["source"] != "house" or id["id"] != story.house_id():
                world.client.delete(f"/documents/{id['id']}", headers=world.house)
        raise


HOW = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@settings(max_examples=8, derandomize=True, phases=[Phase.generate], **HOW)
@given(steps=st.lists(STEPS, min_size=5, max_size=14))
def test_nobody_learns_of_others_or_changes_what_is_theirs(world, steps):
    tell(world, steps)


@pytest.mark.slow
@settings(max_examples=400, **HOW)
@given(steps=st.lists(STEPS, min_size=5, max_size=40))
def test_nobody_learns_of_others_at_length(world, steps):
    tell(world, steps)


def test_a_story_notices_a_leak(world):
    "The check itself can fail."
    story = Story(world)
    story.post(("acme", "ann"), "report", [], "topic")
    [d] = story.documents.values()
    for secret in (d.id, d.word, d.title, d.value):
        r = SimpleNamespace(text=f"... {secret} ...", headers={}, request=SimpleNamespace(url=""))
        with pytest.raises(AssertionError):
            story.check(("evil", "ann"), r, "")
    story.end()


def post(world, voice, *documents):
    r = world.client.post("/documents", json={"documents": list(documents)}, headers=world.who[voice])
    assert r.status_code == 200, r.text
    return [d["document_id"] for d in r.json()["documents"]]


def search(world, voice, question, **more):
    body = {"question": question} | more
    return world.client.post("/search", json=body, headers=world.who[voice]).json()["passages"]


def test_names_of_one_look_are_different_tenants(world):
    ids = {
        v: post(world, v, {"text": f"The merger costs {n} million.", "source": "deal"})[0]
        for n, v in enumerate(VOICES[::2])
    }
    assert len(set(ids.values())) == len(TENANTS)
    for n, voice in enumerate(VOICES[::2]):
        [found] = search(world, voice, "What does the merger cost?", top_k=50, where={"source": "deal"})
        assert f"{n} million" in found["text"]
    for (tenant, name), id in ids.items():
        assert world.client.delete(f"/documents/{id}", headers=world.who[tenant, name]).status_code == 204


def test_a_list_of_access_keeps_colleagues_out_until_it_is_widened(world):
    ann, sales, deal = (
        ("acme", "ann"),
        ("acme", "sales"),
        {"text": "The merger costs nine.", "source": "deal"},
    )
    [id] = post(world, ann, deal | {"access": ["ann"]})
    assert search(world, sales, "merger", where={"source": "house"})
    assert id not in {p["document_id"] for p in search(world, sales, "merger", top_k=50)}
    assert world.client.get(f"/documents/{id}", headers=world.who[sales]).status_code == 404
    assert post(world, ann, deal | {"access": ["sales"]}) == [id]
    assert id in {p["document_id"] for p in search(world, sales, "merger", top_k=50)}
    assert id not in {p["document_id"] for p in search(world, ann, "merger", top_k=50)}
    world.client.delete(f"/documents/{id}", headers=world.house)


def test_a_tenant_cannot_change_or_remove_what_is_of_the_house(world):
    id = Document.of("", "house").id
    for voice in VOICES:
        [own] = post(world, voice, {"text": "Owls never sleep.", "source": "house"})
        assert own != id
        r = world.client.delete(f"/documents/{id}", headers=world.who[voice])
        assert is_problem(r)["status"] == 403  # everybody may read it, so it is no secret that it is there
        world.client.delete(f"/documents/{own}", headers=world.house)
    assert world.client.get(f"/documents/{id}", headers=world.house).json()["text"] == "Owls hunt at night."


def test_a_kept_answer_is_given_to_who_may_read_the_same_alone(world):
    ids = post(
        world, ("acme", "ann"), {"text": "Grey herons eat caviar.", "source": "menu", "access": ["ann"]}
    )
    kinds = {}
    for voice in [("acme", "ann"), ("acme", "sales"), ("evil", "ann"), ("Acme", "ann")] * 2:
        r = world.client.post(
            "/ask/simple", json={"question": QUESTION, "passages": True}, headers=world.who[voice]
        )
        kinds.setdefault(voice, []).append(r.headers["x-cache"])
        assert ("caviar" in r.text) == (voice == ("acme", "ann")), voice
    assert set(map(tuple, kinds.values())) == {("MISS", "HIT")}
    world.client.delete(f"/documents/{ids[0]}", headers=world.house)


def test_statistics_of_the_whole_house_are_for_its_administrators(world):
    for path in ("/stats", "/metrics", "/health", "/adapter"):
        for voice in VOICES:
            assert world.client.get(path, headers=world.who[voice]).status_code == 403, path
        assert world.client.get(path, headers=world.house).status_code == 200
    assert world.client.post("/sync", headers=world.who["acme", "ann"]).status_code == 403


def test_scores_do_not_tell_what_others_wrote(world):
    ann, asked = ("acme", "ann"), {"question": "What is umbra?", "passages": True}
    [mine] = post(world, ann, {"text": "Umbra is a word for a shadow.", "source": "probe"})

    def told():
        found = search(world, ann, "umbra", where={"source": "probe"})
        headers = world.who[ann] | {"Cache-Control": "no-store"}
        answer = world.client.post("/ask/simple", json=asked, headers=headers).json()
        signals = [p["signals"] for p in answer["passages"]]
        return found, answer["confidence"], signals, [c["quote"] for c in answer["citations"]]

    before = told()
    theirs = post(world, ("evil", "ann"), *[{"text": f"Umbra {n}", "source": f"u{n}"} for n in range(20)])
    after = told()
    for id in (mine, *theirs):
        world.client.delete(f"/documents/{id}", headers=world.house)
    assert before == after


def test_a_name_of_a_document_neither_breaks_sync_nor_is_taken_for_a_file(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "owls.txt").write_text("Owls hunt at night.")
    (folder / "gone.txt").write_text("Dodos are extinct.")
    path, who = str(tmp_path / "keys.json"), {}
    for name, tenant, scopes in (("ann", "acme", ("ask", "write")), ("root", "", ("ask", "write", "admin"))):
        key, row = new_key(name, tenant, scopes)
        add_key(path, row)
        who[name] = {"Authorization": f"Bearer {key}"}
    rag = opened(tmp_path / "store", Slow())
    client = Local(served(rag, keys=path, folders=str(folder)))
    sources = [f"{folder}/{'n' * 300}", f"{folder}/no.txt", f"{folder}/\0", f"{folder}/gone.txt", str(folder)]
    posted = [{"text": f"Mine {n}.", "source": source} for n, source in enumerate(sources)]
    r = client.post("/documents", json={"documents": posted}, headers=who["ann"])
    mine = [d["document_id"] for d in r.json()["documents"]]
    assert client.post("/sync", headers=who["root"]).json()["removed"] == 0
    (folder / "gone.txt").unlink()
    assert client.post("/sync", headers=who["root"]).json()["removed"] == 1
    for id in mine:
        assert client.get(f"/documents/{id}", headers=who["ann"]).status_code == 200
    found = client.post("/search", json={"question": "dodos"}, headers=who["root"]).text
    assert "Dodos" not in found and "Owls" in found
    client.close()
    rag.close()
