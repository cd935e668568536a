"""Two people talk over REST, through the gateway alone, on the whole system that `tidings up` starts."""

import httpx
import pytest
from tests.support.people import Person
from tests.support.running import System


@pytest.fixture(scope="module")
def people(system: System) -> list[Person]:
    return [Person(system.base_url) for _ in range(3)]


@pytest.fixture(scope="module")
def chat(people: list[Person]) -> str:
    answer = people[0].http.post("/chats", json={"type": "direct", "userId": people[1].id})
    assert answer.status_code == 201, answer.text
    again = people[1].http.post("/chats", json={"type": "direct", "userId": people[0].id})
    assert (again.status_code, again.json()["id"]) == (200, answer.json()["id"])
    chat_id: str = answer.json()["id"]
    return chat_id


def test_a_resend_gets_the_first_answer(people: list[Person], chat: str) -> None:
    first = people[0].send(chat, "once")
    again = people[0].send(chat, "once", "something else")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["messageId"] == first.json()["messageId"]
    assert again.json()["content"] == {"kind": "text", "text": "hello"}


def test_what_one_says_the_other_reads_in_order(people: list[Person], chat: str) -> None:
    sent = [people[n % 2].send(chat, f"turn{n}", f"line {n}").json()["seq"] for n in range(6)]
    assert sent == sorted(sent)
    page = people[1].http.get(f"/chats/{chat}/messages", params={"after": sent[0] - 1}).json()
    assert [item["content"]["text"] for item in page["items"][:6]] == [f"line {n}" for n in range(6)]


def test_edit_reaction_and_deletion_show_for_the_other(people: list[Person], chat: str) -> None:
    message = people[0].send(chat, "changing").json()["messageId"]
    assert people[0].http.patch(f"/messages/{message}", json={"content": "better"}).json()["editedAt"]
    assert people[1].http.patch(f"/messages/{message}", json={"content": "mine"}).status_code == 403
    assert people[1].http.put(f"/messages/{message}/reaction", json={"emoji": "\N{THUMBS UP SIGN}"}).status_code == 200
    seen = people[0].http.get(f"/messages/{message}").json()
    assert seen["reactions"] == [{"emoji": "\N{THUMBS UP SIGN}", "count": 1, "mine": False}]
    assert people[0].http.delete(f"/messages/{message}").status_code == 204
    assert people[1].http.get(f"/messages/{message}").json()["content"] is None


def test_reading_clears_the_unread_count(people: list[Person], chat: str) -> None:
    message = people[0].send(chat, "unread").json()["messageId"]
    before = people[1].http.get(f"/chats/{chat}").json()
    assert before["unreadCount"] > 0
    answer = people[1].http.post("/messages/read", json={"messageIds": [message]}).json()
    assert answer["chats"][0]["unreadCount"] == 0
    receipts = people[0].http.get(f"/messages/{message}/receipts").json()["items"]
    assert receipts[0]["userId"] == people[1].id
    assert receipts[0]["readAt"] is not None


def test_a_new_device_gets_everything_by_sync(people: list[Person], chat: str) -> None:
    found = people[1].http.post("/sync", json={"since": None, "positions": {}}).json()
    assert [c["id"] for c in found["chats"]] == [chat]
    assert found["log"][chat]["items"][0]["kind"] == "notice"
    assert found["log"][chat]["items"][0]["content"]["kind"] == "notice"


def test_a_stranger_learns_nothing(people: list[Person], chat: str) -> None:
    stranger = people[2]
    message = people[0].send(chat, "private").json()["messageId"]
    answers = [
        stranger.http.get(f"/chats/{chat}"),
        stranger.http.get(f"/chats/{chat}/messages"),
        stranger.http.get(f"/chats/{chat}/members"),
        stranger.send(chat, "intruding"),
        stranger.http.get(f"/messages/{message}"),
        stranger.http.patch(f"/messages/{message}", json={"content": "x"}),
        stranger.http.delete(f"/messages/{message}"),
        stranger.http.put(f"/messages/{message}/star"),
        stranger.http.post("/messages/read", json={"messageIds": [message]}),
    ]
    assert {a.status_code for a in answers} == {404}
    assert {a.json()["code"] for a in answers} == {"not_found"}


def test_bad_input_is_a_problem_with_a_code(people: list[Person], chat: str, system: System) -> None:
    assert people[0].send(chat, "no spaces!").json()["code"] == "invalid_request"
    assert people[0].send(chat, "long", "x" * 8193).json()["code"] == "limit_exceeded"
    assert people[0].send(chat, "shape", 5).json()["code"] == "invalid_request"
    anonymous = httpx.get(f"{system.base_url}/api/v1/users/me", headers={"x-user-id": people[0].id})
    assert (anonymous.status_code, anonymous.json()["code"]) == (401, "unauthenticated")
    assert anonymous.headers["content-type"] == "application/problem+json"


def test_a_blocked_pair_cannot_write(people: list[Person]) -> None:
    one, two = people[0], people[2]
    room = one.http.post("/chats", json={"type": "direct", "userId": two.id}).json()["id"]
    assert one.send(room, "before").status_code == 201
    assert two.http.put(f"/users/blocked/{one.id}").status_code == 200
    assert one.send(room, "after").json()["code"] == "blocked"
    assert two.http.delete(f"/users/blocked/{one.id}").status_code == 204


def test_a_removed_member_reads_up_to_the_removal_and_writes_no_more(people: list[Person]) -> None:
    owner, other = people[0], people[1]
    body = {"type": "group", "name": "Three", "participantIds": [p.id for p in people[1:]]}
    group = owner.http.post("/chats", json=body).json()
    assert other.send(group["id"], "in").status_code == 201
    assert owner.http.delete(f"/chats/{group['id']}/members/{other.id}").status_code == 204
    assert other.send(group["id"], "out").status_code in (403, 404)
    late = owner.send(group["id"], "later", "not for the removed").json()["seq"]
    page = other.http.get(f"/chats/{group['id']}/messages", params={"after": 0}).json()
    assert max(item["seq"] for item in page["items"]) < late


def test_an_old_refresh_token_ends_the_session(system: System) -> None:
    person = Person(system.base_url, "+4915112345699")
    fresh = person.http.post("/auth/refresh", json={"refreshToken": person.refresh})
    assert fresh.status_code == 200, fresh.text
    assert person.http.post("/auth/refresh", json={"refreshToken": person.refresh}).status_code == 401
    assert person.http.post("/auth/refresh", json={"refreshToken": fresh.json()["refreshToken"]}).status_code == 401
