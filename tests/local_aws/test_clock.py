"""The scaled clock and its control."""

from __future__ import annotations

import threading

import pytest
import requests

from local_aws import clock

pytestmark = pytest.mark.local_aws


@pytest.fixture
def scale(endpoint_url):
    """``scale()`` shows, ``scale(600)`` changes; the scale is as before after the test."""
    before = clock.settings
    url = f"{endpoint_url}/_local/clock"

    def ask(factor=None):
        if factor is not None:
            requests.post(url, json={"time_scale": factor}, timeout=10).raise_for_status()
        return requests.get(url, timeout=10).json()

    yield ask
    clock.settings = before


def test_the_scale_is_shown_and_changed(scale):
    assert scale(1200) == {"time_scale": 1200.0}
    assert clock.here(1200) == 1


def test_a_wait_in_progress_heeds_it(scale):
    scale(1)
    waiting = threading.Thread(target=clock.sleep, args=(3600.0,), daemon=True)
    waiting.start()
    scale(100_000)
    waiting.join(60)
    assert not waiting.is_alive()


def test_a_wait_ends_when_its_event_is_set(scale):
    scale(1)
    event = threading.Event()
    threading.Timer(0.05, event.set).start()
    assert clock.wait(event, 3600.0) is True
    assert clock.wait(threading.Event(), 0.01) is False


@pytest.mark.parametrize(
    "body", ["", "{}", '{"time_scale": 0}', '{"time_scale": "fast"}', '{"time_scale": true}']
)
def test_what_is_no_scale_is_refused(scale, endpoint_url, body):
    before = scale()
    response = requests.post(f"{endpoint_url}/_local/clock", data=body, timeout=10)
    assert response.status_code == 400
    assert "a number above 0" in response.json()["message"]
    assert scale() == before
