"""The demo page as a person meets it: in a real Chromium, under its own strict policy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

import talkwire_io.demo
from support.chromium import Browsers, Microphone, browsers
from support.small_talk import SmallTalk
from support.stand_in import Frame, StandIn

pytestmark = pytest.mark.browser

FOLDER = Path(talkwire_io.demo.__file__).parent / "page"
AUDIBLE = re.compile(r"^(1|0\.(0[2-9]|[1-9]))")


@pytest.fixture(scope="module")
def started() -> Iterator[Browsers]:
    with browsers() as all_of_them:
        yield all_of_them


@pytest.fixture
def there() -> StandIn:
    return StandIn(FOLDER)


@contextmanager
def visit(
    started: Browsers, there: StandIn, microphone: Microphone = "beeps", **options: Any
) -> Iterator[Page]:
    """The page, which must neither complain nor ask anyone but its own server."""
    with there, started.context(microphone, **options) as browser:
        page = browser.new_page()
        page.set_default_timeout(10_000)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if blames(message) else None)
        page.on("request", lambda request: wrong.append(request.url) if out(request) else None)

        def out(request: Any) -> bool:
            return not request.url.startswith((there.url, there.url.replace("http", "ws")))

        page.goto(there.url)
        yield page
        assert not wrong


def blames(message: Any) -> bool:
    # Chromium reports refused requests by itself; the page tells the user, which is tested.
    return message.type in ("error", "warning") and "Failed to load" not in message.text


def state(page: Page) -> Locator:
    return page.get_by_role("status")


def talking(page: Page) -> None:
    page.get_by_role("button", name="Talk").click()
    expect(state(page)).to_have_text("Listening")


def write(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Type instead of talking").fill(text)
    page.keyboard.press("Enter")


def captions(page: Page) -> Locator:
    return page.locator("#captions > li:visible")


def item(item_id: str, role: str, **more: Any) -> Frame:
    return {"id": item_id, "type": "message", "role": role, "content": [], **more}


def added(item: Frame, previous: str | None) -> Frame:
    return {"type": "conversation.item.added", "item": item, "previous_item_id": previous}


def words(kind: str, item_id: str, **more: Any) -> Frame:
    ids = {"response_id": "resp_1", "item_id": item_id, "content_index": 0}
    return {"type": kind, **ids, **more}


def test_one_button_begins_and_ends_the_call_by_keyboard(started: Browsers, there: StandIn) -> None:
    with visit(started, there) as page:
        expect(state(page)).to_have_text("Ready")
        page.get_by_role("button", name="Talk").focus()
        page.keyboard.press("Enter")
        expect(state(page)).to_have_text("Listening")
        expect(page.get_by_role("button", name="Hang up")).to_be_focused()
        page.keyboard.press("Space")
        expect(state(page)).to_have_text("Call ended")
        expect(page.get_by_role("button", name="Talk")).to_be_focused()
        page.keyboard.press("Space")
        expect(state(page)).to_have_text("Listening")


def test_a_written_question_needs_no_microphone_and_shows_the_function_at_work(
    started: Browsers, there: StandIn
) -> None:
    SmallTalk(there)
    with visit(started, there, "missing") as page:
        write(page, "What is the weather in Rome?")
        expect(captions(page)).to_have_count(3)
        expect(captions(page).last).to_have_text(re.compile("It is sunny in Rome, 24 degrees."))
        asked, ran, answered = captions(page).all_inner_texts()
        assert asked.split() == ["You", *"What is the weather in Rome?".split()]
        assert 'get_weather(location: "Rome")' in ran and '→ location: "Rome"' in ran
        assert answered.startswith("Answer")
        card = page.locator("#timeline .tool")
        expect(card).to_have_count(1)
        expect(card).to_contain_text("get_weather")
        expect(card.locator("dd").first).to_have_text('location: "Rome"')
        expect(card.locator(".result")).to_contain_text("celsius: 24")
        expect(card.locator(".took")).to_have_text(re.compile(r"^\d+ ms$"))
        expect(page.locator("#last-function")).to_have_text(re.compile(r"^\d+ ms$"))
        assert page.locator("#trouble li").count() == 0


def test_a_function_that_failed_is_seen_to_have_failed(started: Browsers, there: StandIn) -> None:
    SmallTalk(there)
    with visit(started, there) as page:
        write(page, "Set a timer")
        card = page.locator("#timeline .tool.failed")
        expect(card.locator(".took")).to_have_text(re.compile("^failed after"))
        expect(card.locator(".result")).to_contain_text("The tool set_timer failed.")
        expect(captions(page).nth(1)).to_contain_text("The tool set_timer failed.")


def test_a_function_that_never_answers_is_told_at_the_end(
    started: Browsers, there: StandIn
) -> None:
    with visit(started, there) as page:
        talking(page)
        call = {"item_id": "i", "call_id": "c", "name": "sleep", "arguments": "{}"}
        there.say({"type": "response.function_call_arguments.done", "response_id": "r", **call})
        expect(page.locator("#timeline .tool.running .took")).to_have_text("running")
        page.get_by_role("button", name="Hang up").click()
        expect(page.locator("#timeline .tool .took")).to_have_text("not answered")


def test_a_late_transcript_stands_before_the_answer(started: Browsers, there: StandIn) -> None:
    heard = item("q", "user", content=[{"type": "input_audio", "transcript": None}])
    kind = "conversation.item.input_audio_transcription.completed"
    with visit(started, there) as page:
        talking(page)
        there.say(
            {"type": "input_audio_buffer.committed", "item_id": "q", "previous_item_id": None},
            added(heard, None),
            added(item("a", "assistant"), "q"),
            words("response.output_audio_transcript.delta", "a", delta="Twenty-"),
            words("response.output_audio_transcript.delta", "a", delta="four."),
        )
        expect(captions(page)).to_have_text([re.compile("You"), re.compile("Twenty-four.")])
        there.say({"type": kind, "item_id": "q", "content_index": 0, "transcript": "How warm?"})
        expect(captions(page)).to_have_text([re.compile("How warm?"), re.compile("Twenty-four.")])


def test_order_is_that_of_the_conversation_not_of_arrival(
    started: Browsers, there: StandIn
) -> None:
    kind = "conversation.item.input_audio_transcription."
    with visit(started, there) as page:
        talking(page)
        there.say(
            words(kind + "delta", "two", delta="second "),
            added(item("three", "user", content=[{"type": "input_text", "text": "third"}]), "two"),
            added(item("one", "user", content=[{"type": "input_text", "text": "first"}]), None),
            added(item("two", "user"), "one"),
            words(kind + "completed", "two", transcript="second"),
            added(item("x", "user", content=[{"type": "input_text", "text": "between"}]), "one"),
        )
        said = ("first", "between", "second", "third")
        expect(captions(page)).to_have_text([re.compile(words) for words in said])


@pytest.mark.parametrize(
    "sign",
    [
        {"type": "conversation.item.truncated", "item_id": "a", "audio_end_ms": 300},
        {"type": "output_audio_buffer.cleared", "response_id": "resp_1"},
        {"type": "response.done", "response": {"id": "resp_1", "status": "cancelled"}},
    ],
    ids=lambda frame: frame["type"],
)
def test_an_interrupted_answer_is_marked(started: Browsers, there: StandIn, sign: Frame) -> None:
    with visit(started, there) as page:
        talking(page)
        there.say(
            added(item("a", "assistant"), None),
            words("response.output_audio_transcript.delta", "a", delta="Once upon a"),
            sign,
        )
        expect(captions(page)).to_have_text(re.compile(r"Once upon a\s+interrupted"))


def test_trouble_the_service_reports_is_read_among_the_captions(
    started: Browsers, there: StandIn
) -> None:
    failed = {"id": "r", "status": "failed", "status_details": {"error": {"message": "No quota."}}}
    heard = {"item_id": "q", "content_index": 0, "error": {"message": "noise"}}
    with visit(started, there) as page:
        talking(page)
        there.say(
            added(item("q", "user", content=[{"type": "input_audio", "transcript": None}]), None),
            {"type": "conversation.item.input_audio_transcription.failed", **heard},
            {"type": "error", "error": {"message": "Voice cannot change now."}},
            {"type": "response.done", "response": failed},
            added(item("next", "user", content=[{"type": "input_text", "text": "Again?"}]), "q"),
        )
        said = ["could not be transcribed", "Voice cannot change now.", "No quota.", "Again?"]
        expect(captions(page)).to_have_text([re.compile(words) for words in said])
        expect(page.locator("#timeline .failed")).to_contain_text("Voice cannot change now.")


def test_the_timeline_counts_deltas_and_stays_bounded(started: Browsers, there: StandIn) -> None:
    with visit(started, there) as page:
        talking(page)
        delta = "response.output_audio_transcript.delta"
        there.say(*(words(delta, "a", delta="x") for _ in range(40)))
        row = page.locator("#timeline li", has_text=delta)
        expect(row).to_have_count(1)
        expect(row.locator(".count")).to_have_text(re.compile("^.40$"))
        there.say(*({"type": "rate_limits.updated"} for _ in range(400)), {"type": "the.last"})
        expect(page.locator("#timeline li").last).to_contain_text("the.last")
        assert page.locator("#timeline li").count() == 300


def test_words_are_never_markup(started: Browsers, there: StandIn) -> None:
    attack = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    there.status |= {"brain": attack, "tools": [{"name": attack, "description": attack}]}
    there.status["try"] = [attack]
    call = {"item_id": "f", "call_id": "c", "name": attack, "arguments": json.dumps({attack: 1})}
    output = {"id": "o", "type": "function_call_output", "call_id": "c", "output": attack}
    with visit(started, there) as page:
        expect(page.locator("#about li")).to_have_text(attack)
        talking(page)
        there.say(
            added(item("q", "user", content=[{"type": "input_text", "text": attack}]), None),
            {"type": "response.function_call_arguments.done", "response_id": "r", **call},
            added(output, "f"),
            {"type": "error", "error": {"message": attack}},
            {"type": attack},
        )
        expect(page.locator("#timeline li").last).to_contain_text(attack)
        expect(captions(page).first).to_contain_text(attack)
        assert page.locator("img, body script").count() == 0


@pytest.mark.parametrize(
    ("microphone", "advice"), [("denied", "Allow it"), ("missing", "Plug one in")]
)
def test_microphone_trouble_says_what_to_do_and_typing_goes_on(
    started: Browsers, there: StandIn, microphone: Microphone, advice: str
) -> None:
    SmallTalk(there)
    with visit(started, there, microphone) as page:
        page.get_by_role("button", name="Talk").click()
        expect(page.locator("#trouble li")).to_contain_text(advice)
        expect(state(page)).to_have_text("Connected, microphone off")
        write(page, "hello")
        expect(captions(page).last).to_contain_text("You said: hello")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("#trouble li")).to_contain_text(advice)


def test_the_microphone_can_be_muted(started: Browsers, there: StandIn) -> None:
    with visit(started, there) as page:
        talking(page)
        page.get_by_role("button", name="Mute").click()
        expect(state(page)).to_have_text("Connected, microphone off")
        page.get_by_role("button", name="Unmute").click()
        expect(state(page)).to_have_text("Listening")


def test_a_server_that_dies_is_shown_within_two_seconds(started: Browsers, there: StandIn) -> None:
    with visit(started, there) as page:
        talking(page)
        there.stop()
        lost = "Failed: The connection to the server was lost."
        expect(state(page)).to_have_text(lost, timeout=2000)
        expect(page.get_by_role("button", name="Talk")).to_be_visible()
        expect(page.locator("#timeline li").last).to_contain_text("was lost")


def test_a_refused_call_is_shown_in_the_words_of_the_service(
    started: Browsers, there: StandIn
) -> None:
    body = {"error": {"message": "Incorrect API key provided."}}
    there.refusal = (401, "application/json", json.dumps(body))
    with visit(started, there) as page:
        page.get_by_role("button", name="Talk").click()
        refused = "Failed: The service refused the call (401): Incorrect API key provided."
        expect(state(page)).to_have_text(refused)
        there.refusal = None
        talking(page)


def test_rubbish_from_the_service_is_noted_and_nothing_is_lost(
    started: Browsers, there: StandIn
) -> None:
    with visit(started, there) as page:
        talking(page)
        there.say("rubbish", added(item("q", "user"), None), words("response.done", "q"))
        expect(page.locator("#timeline .failed")).to_contain_text("not an event")
        expect(state(page)).to_have_text("Listening")


def test_both_levels_move_and_the_time_to_the_first_sound_is_told(
    started: Browsers, there: StandIn
) -> None:
    talk = SmallTalk(there)
    with visit(started, there) as page:
        talking(page)
        levels = page.locator("#levels")
        expect(levels).to_have_attribute("data-you", AUDIBLE)
        there.run(talk.speak_up("Tell me a long story about a wire that wanted to talk"))
        expect(levels).to_have_attribute("data-voice", AUDIBLE)
        expect(state(page)).to_have_text("Speaking")
        expect(page.locator("#first-sound")).to_have_text(re.compile(r"^\d+ ms$"))
        expect(page.locator("#timeline .figure")).to_contain_text("first sound after")


def test_the_page_says_what_it_is_made_of_and_what_is_missing(
    started: Browsers, there: StandIn
) -> None:
    SmallTalk(there)
    there.status = {
        "service": "local",
        "brain": "A demo brain, not a model.",
        "voice": {"ok": False, "message": "No voice: pip install 'talkwire[voice]'."},
        "tools": [{"name": "get_weather", "description": "The weather at a place."}],
        "try": ["What is the weather in Rome?"],
    }
    with visit(started, there) as page:
        expect(page.locator("#about li")).to_have_text(
            ["A demo brain, not a model.", "No voice: pip install 'talkwire[voice]'."]
        )
        page.get_by_text("Functions it can call").click()
        expect(page.get_by_text("The weather at a place.")).to_be_visible()
        page.get_by_role("button", name="What is the weather in Rome?").click()
        expect(captions(page).last).to_contain_text("It is sunny")
        expect(page.locator("#about li").first).to_be_attached()
        page.get_by_role("button", name="Hang up").click()
        page.get_by_role("button", name="Talk").click()
        # A microphone that nobody listens to stays closed.
        expect(state(page)).to_have_text("Connected, microphone off")


def test_an_answer_in_writing_is_announced_and_a_spoken_one_is_not(
    started: Browsers, there: StandIn
) -> None:
    with visit(started, there) as page:
        talking(page)
        there.say(
            words("response.output_audio_transcript.done", "a", transcript="Heard anyway."),
            words("response.output_text.done", "b", text="Only written."),
        )
        expect(captions(page)).to_have_count(2)
        expect(page.locator("#spoken[aria-live=polite]")).to_have_text("Only written.")


def test_landmarks_and_labels_are_there_for_a_screen_reader(
    started: Browsers, there: StandIn
) -> None:
    with visit(started, there) as page:
        wanted: tuple[tuple[Any, Any], ...] = (
            ("banner", None),
            ("main", None),
            ("region", "Conversation"),
            ("region", "Call"),
            ("region", "Timeline"),
            ("heading", "talkwire"),
            ("img", re.compile("Sound levels")),
            ("button", "Send"),
        )
        for role, name in wanted:
            found = page.get_by_role(role, name=name) if name else page.get_by_role(role)
            expect(found).to_have_count(1)
            expect(found).to_be_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_its_width_with_the_longest_words(
    started: Browsers, there: StandIn, width: int
) -> None:
    SmallTalk(there)
    there.status["brain"] = "A demo brain, not a model. " * 4
    with visit(started, there, viewport={"width": width, "height": 740}) as page:
        write(page, "Donaudampfschifffahrtsgesellschaftskapitän" * 4)
        expect(captions(page)).to_have_count(2)
        if width == 360:
            timeline = page.get_by_role("button", name="Timeline")
            expect(timeline).to_have_attribute("aria-expanded", "false")
            expect(page.locator("#timeline")).to_be_hidden()
            timeline.click()
        expect(page.locator("#timeline")).to_be_visible()
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) == 0
        for name in ("Hang up", "Send"):
            expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)


def test_it_follows_the_colours_and_the_stillness_one_asked_for(
    started: Browsers, there: StandIn
) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    with visit(started, there, color_scheme="dark", reduced_motion="reduce") as page:
        assert page.evaluate(paper) == "rgb(22, 21, 18)"
        talking(page)
        there.say(
            added(item("q", "user", content=[{"type": "input_audio", "transcript": None}]), None)
        )
        expect(captions(page)).to_have_count(1)
        assert page.evaluate("document.getAnimations().length") == 0
        expect(page.locator("#levels")).to_have_attribute("data-you", AUDIBLE)
        page.emulate_media(color_scheme="light")
        assert page.evaluate(paper) == "rgb(251, 250, 247)"
