"""Ephemeral keys open calls until they expire, and with the session bound to them."""

from __future__ import annotations

import pytest

from talkwire_io.local.secrets import Secrets


class Clock:
    """Unix seconds that pass when told to."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_key_is_reusable_until_it_expires() -> None:
    clock = Clock()
    secrets = Secrets(clock=clock)
    made = secrets.mint({"instructions": "Be brief."}, seconds=60)
    assert made.value.startswith("ek_")
    assert made.expires_at == 1_800_000_060
    clock.now += 59
    assert secrets.find(made.value) is secrets.find(made.value) is made
    assert made.session == {"instructions": "Be brief."}
    clock.now += 1
    assert secrets.find(made.value) is None


def test_an_unknown_key_opens_nothing() -> None:
    assert Secrets().find("ek_something") is None


def test_no_two_keys_are_alike_and_none_shows_in_a_log() -> None:
    secrets = Secrets()
    made = [secrets.mint({}) for _ in range(20)]
    assert len({each.value for each in made}) == 20
    assert made[0].value not in repr(made[0])


@pytest.mark.parametrize("seconds", [9, 7201, 0, -1])
def test_lifetimes_the_api_does_not_know_are_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match="10 to 7200"):
        Secrets().mint({}, seconds=seconds)


def test_the_oldest_of_too_many_keys_goes() -> None:
    secrets = Secrets(at_most=2)
    first, second, third = (secrets.mint({}) for _ in range(3))
    assert secrets.find(first.value) is None
    assert secrets.find(second.value) is second
    assert secrets.find(third.value) is third
