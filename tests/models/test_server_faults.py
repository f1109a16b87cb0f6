"""What answers other than 200 mean."""

from datetime import UTC, datetime

import pytest

from hippograph.models.server_faults import RefusedError, TransientError, fault_of, is_fatal, retry_after, told_by


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(status):
    fault = fault_of(status, {"error": {"message": "Not now"}}, {})
    assert isinstance(fault, TransientError)
    assert fault.wait is None
    assert str(fault) == f"HTTP {status}: Not now"


@pytest.mark.parametrize("status", [400, 405, 413, 415, 422, 501])
def test_what_is_wrong_stays_wrong(status):
    fault = fault_of(status, {"error": {"message": "Bad field", "param": "seed"}}, {})
    assert isinstance(fault, RefusedError)
    assert (fault.status, fault.parameter) == (status, "seed")


def test_a_schema_that_a_server_cannot_enforce_is_not_tried_again():
    assert isinstance(fault_of(500, {"error": {"message": "Failed to parse grammar"}}, {}), RefusedError)
    assert isinstance(fault_of(500, {"error": {"message": "json_schema: not supported"}}, {}), RefusedError)
    assert isinstance(fault_of(500, {"error": {"message": "Out of memory"}}, {}), TransientError)


def test_what_concerns_all():
    assert all(is_fatal(status, None) for status in (401, 402, 403, 404))
    assert is_fatal(429, {"error": {"code": "insufficient_quota"}})
    assert is_fatal(429, {"type": "insufficient_quota"})
    assert not is_fatal(429, {"error": {"code": "rate_limit_exceeded"}})
    assert not is_fatal(429, "slow down")
    assert not is_fatal(500, None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "7", "retry-after-ms": "1200"}, 1.2),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 13:00:30 +0100"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 -0000"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "later"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_the_time_that_a_server_names(headers, seconds):
    assert retry_after(headers, now=datetime(2026, 11, 21, 12, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "Too many"}}, "Too many"),
        ({"error": "Too many"}, "Too many"),
        ({"detail": [{"loc": ["body"], "msg": "Too many"}]}, "[{'loc': ['body'], 'msg': 'Too many'}]"),
        ({"object": "error", "message": "Too many", "code": 40001}, "Too many"),
        ("Too\n many", "Too many"),
        (None, ""),
        ({}, ""),
    ],
)
def test_the_messages_of_different_servers(body, message):
    assert told_by(body)[0] == message


def test_the_client_library_unwraps_errors():
    inner = {"message": "Bad", "code": "unsupported_value", "param": "seed"}
    assert told_by(inner) == told_by({"error": inner}) == ("Bad", "unsupported_value", "seed")


def test_a_page_instead_of_a_message_is_shortened():
    assert len(told_by("<p>Bad gateway</p>" * 1000)[0]) < 310
