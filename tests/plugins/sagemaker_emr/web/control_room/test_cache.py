"""What was read of AWS, kept."""

from __future__ import annotations

import threading

import pytest
from botocore.exceptions import EndpointConnectionError

from sagemaker_emr.exceptions import PlatformNotReady
from sagemaker_emr.web.control_room.cache import FRESH_SECONDS, KEYS, TROUBLE_SECONDS, Cache, trouble
from tests.plugins.sagemaker_emr.conftest import aws_error


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Aws:
    """Answers with how often it was asked, unless it is down."""

    def __init__(self):
        self.asked = 0
        self.down = False

    def __call__(self):
        self.asked += 1
        if self.down:
            raise EndpointConnectionError(endpoint_url="https://emr")
        return self.asked


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(clock):
    return Cache(clock)


@pytest.fixture
def aws():
    return Aws()


def test_an_answer_is_kept_for_a_while(cache, clock, aws):
    assert cache.get(("key",), aws).value == 1
    clock.now = FRESH_SECONDS - 1
    assert cache.get(("key",), aws).value == 1
    clock.now = FRESH_SECONDS
    assert cache.get(("key",), aws).value == 2
    assert cache.get(("other",), aws).value == 3


def test_what_was_read_last_stays_with_the_reason_while_aws_is_down(cache, clock, aws):
    before = cache.get(("key",), aws)
    aws.down, clock.now = True, FRESH_SECONDS
    answer = cache.get(("key",), aws)
    assert (answer.value, answer.read_at) == (1, before.read_at)
    assert "https://emr" in answer.trouble.reason
    aws.down = False
    assert cache.get(("key",), aws).trouble, "AWS is left alone for a while"
    clock.now += TROUBLE_SECONDS
    answer = cache.get(("key",), aws)
    assert (answer.value, answer.trouble) == (3, None)


def test_nothing_known_is_no_empty_answer(cache, aws):
    aws.down = True
    answer = cache.get(("key",), aws)
    assert (answer.value, answer.read_at) == (None, None)
    assert answer.trouble.what == "AWS can't be reached"


def test_one_reads_while_others_get_what_is_known(cache, clock, aws):
    reading, go_on = threading.Event(), threading.Event()

    def slow():
        reading.set()
        assert go_on.wait(30)
        return aws()

    cache.get(("key",), aws)
    clock.now = FRESH_SECONDS
    reader = threading.Thread(target=lambda: cache.get(("key",), slow))
    reader.start()
    assert reading.wait(30)
    assert cache.get(("key",), aws).value == 1
    go_on.set()
    reader.join(30)
    assert cache.get(("key",), aws).value == 2
    assert aws.asked == 2


def test_who_knows_nothing_waits_for_the_one_that_reads(cache, aws):
    begun = threading.Barrier(5)
    answers = []

    def ask():
        begun.wait(30)
        answers.append(cache.get(("key",), aws).value)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [1] * 5


def test_forgotten_is_read_anew_and_kept_for_the_case_that_it_cant_be(cache, aws):
    cache.get(("key",), aws)
    aws.down = True
    cache.forget(("key",))
    answer = cache.get(("key",), aws)
    assert (answer.value, bool(answer.trouble)) == (1, True)


def test_it_does_not_grow_with_the_names_that_are_asked_for(cache, aws):
    for number in range(KEYS + 5):
        cache.get((str(number),), aws)
    assert len(cache._entries) == KEYS
    assert cache.get((str(KEYS + 4),), aws).value == KEYS + 5
    assert cache.get(("0",), aws).value == KEYS + 6


def test_a_refusal_is_told_in_awss_words_without_the_request_that_it_repeats():
    message = "The signature does not match.\n\nThe canonical string was\nx-amz-security-token:secret"
    told = trouble(aws_error("SignatureDoesNotMatch", message))
    assert told.reason == "The signature does not match."
    assert "secret" not in told.model_dump_json()


def test_an_error_of_ours_keeps_its_next_step():
    told = trouble(PlatformNotReady("No catalog", reason="none", next_step="Deploy."))
    assert (told.what, told.reason, told.next_step) == ("No catalog", "none", "Deploy.")


def test_errors_of_our_own_making_are_not_taken_for_awss(cache):
    with pytest.raises(ZeroDivisionError):
        cache.get(("key",), lambda: 1 / 0)
