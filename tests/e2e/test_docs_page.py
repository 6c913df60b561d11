"""The page that documents the API, in a real browser."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
from devstack.stack import Stack
from playwright.async_api import Page, Request, async_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and "CI" not in os.environ, reason="no Chromium (Debian: chromium)"
    ),
]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as tools:
        browser = await tools.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield await browser.new_page()
        await browser.close()


async def test_a_call_is_tried_on_the_page_and_nothing_comes_from_elsewhere(
    page: Page, stack: Stack
) -> None:
    asked: list[str] = []
    errors: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(f"{stack.url}/docs")
    await page.get_by_role("button", name="Authorize").first.click()
    dialog = page.locator(".modal-ux")
    await dialog.locator("input").fill(await stack.token("64.01/viewer"))
    await dialog.get_by_role("button", name="Apply credentials").click()
    await dialog.get_by_role("button", name="Close").click()
    await page.locator("#operations-tag-regions").click()
    operation = page.locator("#operations-regions-ListDistricts")
    await operation.click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_placeholder("region").fill("64.01")
    await operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response-col_description")
    await answer.get_by_text("Batu Sopang").first.wait_for()
    assert errors == []
    assert [url for url in asked if not url.startswith((stack.url, "data:"))] == []
