"""The three things every fault test ends with: the process is alive and answers; every message got
exactly one outcome and what was promised happened; and metrics and log tell the same story.

Counters are compared from zero: all of them belong to the present life of the process.
"""

import collections
import re

from router.v1 import admin_pb2

from harness import oracle as outcomes
from harness.caller import PAYLOAD_MARK
from harness.logs import missing_in_order

LOG_EVENTS = {
    "NATS_CONNECTION_ESTABLISHED": ("INFO", {"url", "server_name", "epoch"}),
    "NATS_CONNECTION_LOST": ("ERROR", {"reason", "reconnect_attempts"}),
    "NATS_RECONNECT_ATTEMPT": ("INFO", {"attempt", "max_attempts", "delay_ms"}),
    "NATS_RECONNECT_FAILED": ("WARN", {"attempt", "reason"}),
    "NATS_RECONNECTION_EXHAUSTED": ("ERROR", {"attempts", "on_exhausted"}),
    "NATS_CONNECTION_RESTORED": ("INFO", {"reconnect_attempts", "outage_ms"}),
    "NATS_PUBLISH_ERROR": ("WARN", {"subject", "reason"}),
    "NATS_PUBLISH_WITH_ACK_ERROR": ("WARN", {"subject", "reason"}),
    "NATS_PUBLISH_QUEUED": ("WARN", {"subject", "connection_state"}),
    "NATS_PUBLISH_WITH_ACK_QUEUED": ("WARN", {"subject", "connection_state"}),
    "NATS_QUEUE_FULL": ("WARN", {"queue_size", "max_size", "policy"}),
    "NATS_RETRY_PENDING": ("INFO", {"pending_count"}),
    "NATS_RETRY_COMPLETE": ("INFO", {"success_count", "failed_count", "duration_ms"}),
    "NATS_FAIL_OPEN_ENABLED": ("WARN", {"actor", "reason", "expire_time"}),
    "NATS_FAIL_OPEN_DISABLED": ("INFO", {"actor", "reason", "expire_time"}),
    "NATS_FAIL_OPEN_DROPPED": ("WARN", {"subject", "message_id"}),
}
ERROR_TAGS = {
    "NATS_CONNECTION_LOST": "nats_connection_failure",
    "NATS_RECONNECT_ATTEMPT": "nats_reconnecting",
    "NATS_CONNECTION_RESTORED": "nats_connection_recovered",
}
_TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def check_alive(test, router):
    """The process runs and every kind of call is answered."""
    test.assertTrue(router.process.running, "routerd is alive")
    test.assertEqual(router.get("/livez"), 200)
    test.assertEqual(router.get("/readyz"), 200)
    router.api.GetStatus(admin_pb2.GetStatusRequest())
    router.api.ListPendingOperations(admin_pb2.ListPendingOperationsRequest(page_size=1))


def check_log(test, router):
    """Every line is a JSON object in the documented form, and none gives a payload away."""
    events = router.log.events()
    test.assertEqual(router.log.malformed, [])
    test.assertNotIn(PAYLOAD_MARK.decode(), router.log.text())
    for event in events:
        for field in ("timestamp", "level", "message", "error_code", "error_tag"):
            test.assertIn(field, event)
        test.assertRegex(event["timestamp"], _TIMESTAMP)
        test.assertRegex(event["error_tag"], r"^[a-z0-9_]*$", event)
        if event.code in LOG_EVENTS:
            level, fields = LOG_EVENTS[event.code]
            test.assertEqual(event["level"], level, event)
            test.assertLessEqual(fields, set(event), event)
        if event.code in ERROR_TAGS:
            test.assertEqual(event["error_tag"], ERROR_TAGS[event.code])


def check_log_order(test, router, codes, after=None):
    found = router.log.codes(after)
    missing = missing_in_order(found, codes)
    test.assertIsNone(missing, f"{codes} in this order; found {found}")


def check_publish_counters(test, metrics, oracle, life):
    """The metrics' story is the callers' story."""
    for with_ack, infix in ((None, ""), (True, "_with_ack")):
        def count(*names, with_ack=with_ack):
            return oracle.count(*names, life=life, with_ack=with_ack)
        unknown = count(outcomes.UNKNOWN)
        failed = count(outcomes.QUEUED, outcomes.DROPPED, outcomes.REJECTED)
        total = metrics.value(f"router_nats_publish{infix}_total")
        failures = metrics.value(f"router_nats_publish{infix}_failures_total")
        _between(test, f"publish{infix}_total", total,
                 count(outcomes.DELIVERED) + failed, unknown)
        _between(test, f"publish{infix}_failures_total", failures, failed, unknown)
        _between(test, f"publish{infix} confirmed at the first try", total - failures,
                 count(outcomes.DELIVERED), unknown)
    unknown = oracle.count(outcomes.UNKNOWN, life=life)
    for label, names in (("delivered", (outcomes.DELIVERED,)), ("queued", (outcomes.QUEUED,)),
                         ("dropped_fail_open", (outcomes.DROPPED,)),
                         ("rejected", (outcomes.REJECTED, outcomes.INVALID))):
        _between(test, f"outcome {label}",
                 metrics.value("router_nats_publish_outcomes_total", outcome=label),
                 oracle.count(*names, life=life), unknown)
    total = metrics.value("router_nats_publish_total")
    failures = metrics.value("router_nats_publish_failures_total")
    delivered = metrics.value("router_nats_publish_outcomes_total", outcome="delivered")
    test.assertEqual(total - failures, delivered)
    test.assertEqual(sum(metrics.series("router_nats_publish_failure_reasons_total").values()),
                     failures, "each failure has one reason")
    test.assertEqual(metrics.value("router_messages_unaccounted"), 0)
    _between(test, "messages_accepted_total", metrics.value("router_messages_accepted_total"),
             oracle.count(outcomes.DELIVERED, outcomes.QUEUED, outcomes.DROPPED, life=life),
             unknown)


def check_queue_counters(test, metrics, expected_retried, unknown=0):
    """The queue is empty, and each message in it was delivered once."""
    for gauge in ("count", "bytes"):
        name = ("router_nats_pending_operations_count" if gauge == "count"
                else "router_nats_pending_bytes")
        test.assertEqual(metrics.value(name), 0)
    tried = metrics.value("router_nats_pending_operations_retry")
    delivered = metrics.value("router_nats_pending_operations_retry_success")
    failed = metrics.value("router_nats_pending_operations_retry_failed")
    test.assertEqual(tried, delivered + failed)
    _between(test, "pending_operations_retry_success", delivered, expected_retried, unknown)


def check_connection_counters(test, metrics, router, moves=0):
    """Counters and log agree about the connection, which is up."""
    logged = collections.Counter(router.log.codes())
    test.assertEqual(metrics.value("router_nats_connection_status"), 1)
    for name, code in (("connection_established_total", "NATS_CONNECTION_ESTABLISHED"),
                       ("connection_lost_total", "NATS_CONNECTION_LOST"),
                       ("connection_restored_total", "NATS_CONNECTION_RESTORED"),
                       ("reconnect_attempts_total", "NATS_RECONNECT_ATTEMPT"),
                       ("connection_failures_total", "NATS_RECONNECT_FAILED"),
                       ("reconnection_exhausted_total", "NATS_RECONNECTION_EXHAUSTED")):
        test.assertEqual(metrics.value("router_nats_" + name), logged[code], name)
    established = metrics.value("router_nats_connection_established_total")
    lost = metrics.value("router_nats_connection_lost_total")
    test.assertEqual(established, 1 + lost + moves, "each loss is followed by a new connection")
    test.assertEqual(metrics.value("router_nats_connection_restored_total"), lost)
    attempts = metrics.value("router_nats_reconnect_attempts_total")
    failures = metrics.value("router_nats_reconnect_failures_total")
    test.assertLessEqual(failures, attempts)
    test.assertGreaterEqual(metrics.value("router_nats_connection_failures_total"), failures)


def check_totals(test, router, metrics):
    """GetStatus tells what the metrics tell."""
    status = router.api.GetStatus(admin_pb2.GetStatusRequest()).status
    for field, label in (("delivered", None), ("queued", "queued"),
                         ("dropped_fail_open", "dropped_fail_open"), ("rejected", "rejected")):
        if label:
            test.assertEqual(
                getattr(status.totals, field),
                metrics.value("router_nats_publish_outcomes_total", outcome=label), field)
    test.assertEqual(status.totals.accepted, metrics.value("router_messages_accepted_total"))
    test.assertEqual(status.totals.unaccounted, 0)


def _between(test, name, value, least, slack):
    test.assertTrue(least <= value <= least + slack,
                    f"{name} is {value}, expected {least}"
                    + (f" to {least + slack}" if slack else ""))
