"""The local sink keeps the last messages and shows each once."""

from typing import Any

from devstack.sink.pages import sink_app


def taken(client: Any, title: str, key: str = "") -> int:
    headers = {"Idempotency-Key": key} if key else {}
    answer = client.post("/", json={"title": title, "message": "<b>Isi</b>"}, headers=headers)
    return int(answer.status_code)


def test_the_last_messages_are_shown_the_latest_first() -> None:
    client = sink_app(kept=3).test_client()
    assert [taken(client, f"Pesan {number}") for number in range(5)] == [204] * 5
    titles = [one["title"] for one in client.get("/messages").get_json()]
    assert titles == ["Pesan 4", "Pesan 3", "Pesan 2"]
    page = client.get("/").text
    assert page.index("Pesan 4") < page.index("Pesan 3")
    assert "&lt;b&gt;Isi" in page


def test_a_message_that_comes_again_under_its_key_is_shown_once() -> None:
    client = sink_app().test_client()
    for key in ("a", "b", "a"):
        taken(client, "Pesan", key)
    assert len(client.get("/messages").get_json()) == 2


def test_what_is_no_message_is_refused() -> None:
    client = sink_app().test_client()
    assert client.post("/", json=["x"]).status_code == 400
    assert client.post("/", data="x").status_code == 415
    assert "Belum ada pesan" in client.get("/").text
