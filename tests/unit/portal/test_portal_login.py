"""The door of the portal: who has no account stays outside, who guesses waits, who looks does not command."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from portal import door as door_module
from portal.app import create_app
from portal.config import PortalConfig
from portal.door import Door, Role
from portal.passwords import hash_password, hash_token, matches
from tests.unit.portal.fake_world import FakeWorld
from tests.unit.portal.test_portal_api import GREEN

PASSWORDS = {"kim": "correct horse", "lee": "battery staple"}
ACCOUNTS: dict[str, tuple[Role, str]] = {
    "kim": ("operator", hash_password(PASSWORDS["kim"])), "lee": ("viewer", hash_password(PASSWORDS["lee"]))
}  # fmt: skip
COMMANDS = "/api/v1/commands"


class House:
    """A guarded portal and what it told."""

    def __init__(self, world: FakeWorld) -> None:
        self.told: Counter[str] = Counter()
        self.accounts = dict(ACCOUNTS)
        self.tokens: dict[str, tuple[str, Role]] = {
            hash_token("t-view"): ("bi", "viewer"), hash_token("t-op"): ("mes", "operator")
        }  # fmt: skip
        self.door = Door(lambda: self.accounts, lambda: self.tokens, lambda name, _: self.told.update([name]))
        config = PortalConfig(host="0.0.0.0")
        self.app = create_app(world.live, world.reader, world.send, config, self.door)


@pytest.fixture
def house(world: FakeWorld) -> House:
    return House(world)


@pytest.fixture
async def browser(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url="https://city.example") as made:
        yield made


async def enter(browser: httpx.AsyncClient, name: str, password: str = "") -> httpx.Response:
    return await browser.post("/login", data={"name": name, "password": password or PASSWORDS[name]})


def proof(browser: httpx.AsyncClient) -> dict[str, str]:
    return {"x-csrf-token": browser.cookies["csrf"]}


@pytest.mark.parametrize("path", ["/", "/api", "/logout"])
async def test_pages_send_strangers_to_the_login(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize(
    "path", ["run", "catalog", "stream", "metrics", "snapshot", "commands", "audit", "openapi.json"]
)
async def test_the_api_is_closed_to_strangers(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(f"/api/v1/{path}")
    assert answer.status_code == 401
    assert "log in" in answer.json()["error"]


async def test_the_watchman_and_the_login_page_are_open(browser: httpx.AsyncClient) -> None:
    for path in ("/api/v1/health", "/login", "/static/portal.css", "/texts/ko.json"):
        assert (await browser.get(path)).status_code == 200, path


async def test_a_login_opens_and_a_logout_closes(browser: httpx.AsyncClient, house: House) -> None:
    answer = await enter(browser, "kim")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("session="))
    assert {"HttpOnly", "Secure", "SameSite=strict"} <= set(cookie.split("; "))
    assert (await browser.get("/")).status_code == 200
    assert (await browser.get("/api/v1/run")).status_code == 200
    assert (await browser.post("/logout", headers=proof(browser))).status_code == 303
    assert (await browser.get("/api/v1/run")).status_code == 401
    assert house.told == {"page-login": 1}


async def test_a_command_carries_the_name_and_needs_the_pages_word(
    browser: httpx.AsyncClient, world: FakeWorld
) -> None:
    await enter(browser, "kim")
    assert (await browser.post(COMMANDS, json=GREEN)).status_code == 403
    assert (await browser.post(COMMANDS, json=GREEN, headers={"x-csrf-token": "guess"})).status_code == 403
    assert world.sent == []
    assert (await browser.post(COMMANDS, json=GREEN, headers=proof(browser))).status_code == 202
    assert [c.issuer for c in world.sent] == ["user:kim"]


async def test_a_viewer_looks_and_does_not_command(browser: httpx.AsyncClient, world: FakeWorld) -> None:
    await enter(browser, "lee")
    assert (await browser.get("/api/v1/run")).status_code == 200
    refused = await browser.post(COMMANDS, json=GREEN, headers=proof(browser))
    assert (refused.status_code, world.sent) == (403, [])
    assert "viewer" in refused.json()["error"]


@pytest.mark.parametrize(
    ("token", "read", "command"), [("t-view", 200, 403), ("t-op", 200, 202), ("t-none", 401, 401), ("", 401, 401)]
)
async def test_programs_come_with_a_token(
    browser: httpx.AsyncClient, world: FakeWorld, token: str, read: int, command: int
) -> None:
    headers = {"authorization": f"Bearer {token}"}
    assert (await browser.get("/api/v1/run", headers=headers)).status_code == read
    assert (await browser.post(COMMANDS, json=GREEN, headers=headers)).status_code == command
    assert [c.issuer for c in world.sent] == (["user:mes"] if command == 202 else [])


async def test_who_guesses_waits_and_is_seen(browser: httpx.AsyncClient, house: House) -> None:
    for _ in range(door_module.PATIENCE):
        assert (await enter(browser, "kim", "wrong")).status_code == 401
    waiting = await enter(browser, "kim")  # even the right password has to wait now
    assert waiting.status_code == 429
    assert int(waiting.headers["retry-after"]) > 0
    assert house.told == {"page-login-refused": door_module.PATIENCE}


async def test_who_guesses_tokens_waits(browser: httpx.AsyncClient) -> None:
    for _ in range(door_module.PATIENCE):
        assert (await browser.get("/api/v1/run", headers={"authorization": "Bearer x"})).status_code == 401
    assert (await browser.get("/api/v1/run", headers={"authorization": "Bearer t-op"})).status_code == 429


async def test_who_is_removed_or_gets_another_password_is_out_at_once(browser: httpx.AsyncClient, house: House) -> None:
    await enter(browser, "kim")
    house.accounts["kim"] = ("operator", hash_password("another"))
    assert (await browser.get("/api/v1/run")).status_code == 401
    await enter(browser, "lee")
    del house.accounts["lee"]
    assert (await browser.get("/api/v1/run")).status_code == 401


async def test_an_unknown_name_is_answered_as_a_wrong_password(browser: httpx.AsyncClient) -> None:
    known, unknown = await enter(browser, "kim", "wrong"), await enter(browser, "nobody", "wrong")
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text)


async def test_a_login_from_another_page_is_not_taken(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/login", data={"name": "kim", "password": PASSWORDS["kim"]},
                                headers={"origin": "https://evil.example"})  # fmt: skip
    assert answer.status_code == 403


@pytest.mark.parametrize("wanted", ["https://evil.example", "//evil.example", "/api/../..//evil"])
async def test_after_the_login_only_our_own_pages_follow(browser: httpx.AsyncClient, wanted: str) -> None:
    answer = await browser.post(f"/login?next={wanted}", data={"name": "kim", "password": PASSWORDS["kim"]})
    assert answer.headers["location"] == "/"


async def test_on_loopback_the_page_is_open_under_its_own_names_only(world: FakeWorld) -> None:
    app = create_app(world.live, world.reader, world.send, PortalConfig(hosts=("stage.local",)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        for host, status in (("localhost", 200), ("127.0.0.1:9", 200), ("[::1]:9", 200), ("stage.local", 200)):
            assert (await client.get(f"http://{host}/api/v1/run")).status_code == status, host
        rebound = await client.get("http://rebound.example/api/v1/run")
        assert rebound.status_code == 403
        assert "rebound.example" in rebound.json()["error"]


def test_passwords_are_kept_hashed_with_their_own_salt() -> None:
    kept = hash_password("secret")
    assert "secret" not in kept
    assert kept != hash_password("secret")
    assert matches("secret", kept)
    assert not matches("Secret", kept)
    assert not matches("secret", "nonsense")
