"""The chat page as a person uses it, in a real Chromium; works against any server that speaks the chat's contract."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Locator, Page, Playwright, expect

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGS = ("--no-sandbox", "--disable-quic", "--disable-background-networking")
PHONE = (360, 740)
DESKTOP = (1280, 800)

_LISTEN_FOR_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective + " " + event.blockedURI));
"""


def chromium_path() -> str | None:
    """The system's Chromium, None where there is none."""
    return next((path for path in map(shutil.which, CHROMIUM_NAMES) if path), None)


def launch_chromium(playwright: Playwright) -> Browser:
    """Start the system's Chromium. Raises FileNotFoundError where there is none."""
    path = chromium_path()
    if path is None:
        raise FileNotFoundError("no Chromium found: install the package 'chromium'")
    return playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_ARGS))


class ChatPage:
    """One browser page with the chat in it. Records what a careful owner would not want to see: *problems*, *requests*."""

    def __init__(self, page: Page, base_url: str, path: str = "/") -> None:
        self.page = page
        self.base_url = base_url
        self.path = path
        self.problems: list[str] = []
        self.requests: list[str] = []
        page.add_init_script(_LISTEN_FOR_VIOLATIONS)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: self.requests.append(request.url))
        self.field = page.locator("sotay-chat textarea")
        self.log = page.locator("sotay-chat [role=log]")
        self.members = page.locator("sotay-chat .member")
        self.answers = page.locator("sotay-chat .bot:not(.greeting)")
        self.error = page.locator("sotay-chat [role=alert]")
        self.chips = page.locator("sotay-chat .chips .chip")
        self.typing = page.locator("sotay-chat .typing")

    def open(self) -> ChatPage:
        """Open (or reload) the page and wait until the chat is ready to take a question."""
        self.page.goto(self.base_url + self.path)
        return self.ready()

    def reload(self) -> ChatPage:
        self.page.reload()
        return self.ready()

    def ready(self) -> ChatPage:
        """Wait until the chat is shown and has asked for its history."""
        expect(self.field).to_be_visible()
        expect(self.log).to_have_attribute("aria-live", "polite")
        return self

    def ask(self, text: str) -> None:
        """Type *text* and press Enter."""
        self.field.fill(text)
        self.field.press("Enter")

    def asked_and_answered(self, text: str, count: int = 1) -> Locator:
        """Ask, wait until *count* answers stand in the log, give the last."""
        self.ask(text)
        expect(self.answers).to_have_count(count)
        return self.answers.last

    def violations(self) -> list[str]:
        """Breaches of the Content-Security-Policy since the page was opened."""
        found: list[str] = self.page.evaluate("window.violations")
        return found

    def foreign_requests(self) -> list[str]:
        """Requests to any other address than the installation's."""
        return [url for url in self.requests if not url.startswith(self.base_url + "/")]

    def too_wide(self) -> int:
        """Pixels by which the page or the conversation can be scrolled sideways; 0 is right."""
        width: int = self.page.evaluate(
            """() => {
                const inner = document.querySelector("sotay-chat").shadowRoot.querySelector(".scroll");
                const excess = (element) => element.scrollWidth - element.clientWidth;
                return Math.max(excess(document.documentElement), excess(inner));
            }"""
        )
        return width
