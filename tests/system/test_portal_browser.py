"""The status page in a real browser: live values, both languages, the drawer, a hostile device."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.spec import Name
from portal.app import create_app
from portal.server import Served, serve
from tests.system.browser import Page, browse, find_browser
from tests.unit.portal.fake_world import FakeWorld

BROWSER = find_browser()
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(BROWSER is None, reason="NO BROWSER: install chromium to test the page"),
]
READY = "document.body?.dataset.ready === 'true'"
EVIL = '<img src=x onerror="window.hacked=1"><b>evil</b>'


@pytest.fixture
async def world() -> AsyncIterator[FakeWorld]:
    made = FakeWorld()
    made.warm()
    living = asyncio.create_task(made.run())
    yield made
    living.cancel()
    await asyncio.gather(living, return_exceptions=True)


@pytest.fixture
async def served(world: FakeWorld) -> AsyncIterator[Served]:
    running = await serve(create_app(world.live, world.reader, world.send), port=0)
    yield running
    await running.stop()


@pytest.fixture
async def page(tmp_path: Path, served: Served) -> AsyncIterator[Page]:
    assert BROWSER is not None
    async with browse(BROWSER, tmp_path / "profile") as opened:
        yield opened


async def words(page: Page, selector: str) -> str:
    return str(await page.eval(f"document.querySelector({selector!r}).innerText"))


@pytest.mark.parametrize(
    ("language", "width", "height", "told"),
    [
        ("ko", 1366, 768, ("센서", "게이트웨이", "서울 시연", "실시간", "냉각수 펌프 3", "남은 수명", "베어링 교체")),
        (
            "en",
            1920,
            1080,
            ("Sensors", "Gateway", "Seoul demonstration", "Live", "Coolant pump 3", "life left", "Replace the bearing"),
        ),
    ],
)
async def test_live_values_appear(
    page: Page, served: Served, tmp_path: Path, language: str, width: int, height: int, told: tuple[str, ...]
) -> None:
    await page.open(served.url, width, height, language)
    await page.wait(READY)
    text = await words(page, "body")
    assert not [word for word in told if word not in text]
    value = "[...document.querySelectorAll('.rows .value')].map(n => n.textContent).join()"
    before = await page.eval(value)
    assert "mm/s" in before
    await page.wait(f"{value} !== {before!r}", 10)
    assert await page.eval("document.querySelectorAll('#map .mark').length") > 10
    fits = "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth"
    assert await page.eval(fits), "the page must not scroll on a laptop or projector"
    await page.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 30_000
    assert page.problems == []


async def test_the_drawer_shows_history_and_sends_a_command(page: Page, served: Served, world: FakeWorld) -> None:
    await page.open(served.url, 1366, 768, "en")
    await page.wait(READY)
    await page.eval("[...document.querySelectorAll('.row')].find(r => r.innerText.includes('Coolant pump 3')).click()")
    await page.wait("document.querySelector('#drawer .chart .line')?.getAttribute('d').length > 100")
    assert "seoul/guro/rotating-03" in await words(page, "#drawer")
    await page.eval("document.querySelector('#drawer form').requestSubmit()")
    await page.wait("document.querySelector('#drawer output').textContent !== ''")
    assert [c.name for c in world.sent] == ["maintain"]
    await page.eval("document.querySelector('#drawer .close').click()")
    await page.wait("!document.querySelector('#drawer').open")
    assert page.problems == []


async def test_a_hostile_device_is_only_text(page: Page, served: Served, world: FakeWorld) -> None:
    spec = world.catalog.devices["seoul/guro/rotating-01"]
    channel = replace(
        spec.streams[0].layout.channels[0], name=EVIL, unit=EVIL, label=Name(EVIL, EVIL), states={0: EVIL}
    )
    layout = replace(spec.streams[0].layout, name="evil.main", channels=(channel,))
    evil = replace(
        spec,
        device="evil",
        label=Name(EVIL, EVIL),
        kind=EVIL,
        domain="third_party",
        streams=(replace(spec.streams[0], layout=layout),),
    )
    await page.open(served.url, 1366, 768, "en")
    await page.wait(READY)
    world.live.announce([evil])
    await page.wait("document.querySelector('#rows').innerText.includes('<b>evil</b>')", 10)
    await page.eval("[...document.querySelectorAll('.row')].find(r => r.innerText.includes('evil')).click()")
    await page.wait("document.querySelector('#drawer').innerText.includes('<b>evil</b>')")
    assert await page.eval("window.hacked") is None
    assert await page.eval("document.querySelectorAll('img:not(.mark), b, main script').length") == 0


async def test_the_page_comes_back_after_the_server_was_away(page: Page, served: Served, world: FakeWorld) -> None:
    await page.open(served.url, 1366, 768, "en")
    await page.wait(READY)
    await served.stop()
    await page.wait("['lost', 'ended'].includes(document.querySelector('#link').dataset.state)", 10)
    again = await serve(create_app(world.live, world.reader, None), port=served.port)
    try:
        assert again.port == served.port
        await page.wait("document.querySelector('#link').dataset.state === 'running'", 20)
    finally:
        await again.stop()


async def test_the_api_page_answers_by_itself(page: Page, served: Served) -> None:
    await page.open(f"{served.url}api", 1366, 768, "ko")
    await page.wait(READY)
    await page.eval("document.querySelector('details .try').click()")
    await page.wait("document.querySelector('pre').textContent.includes('\"seed\": 42')")
    assert "공개 데이터 API" in await words(page, "body")
    assert page.problems == []
