"""The faults of the rehearsal, and the alerts that must follow from each."""

import dataclasses
import typing

# The budget of attempts is gone within a second, or never.
_SHORT_BUDGET = {"nats_reconnect_attempts": 4}
_NO_BUDGET = {"nats_reconnect_attempts": 0}
_ROOM = {"nats_max_pending_operations": 20_000}
_NO_ROOM = {"nats_max_pending_operations": 100}


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One fault.

    alerts: those that must come, and be resolved after the fault. lasting: those that must come and
    whose windows are too long to wait for their end. inhibited: those that must fire and be held back.
    quiet: those that must stay away.
    """
    name: str
    sentence: str
    settings: dict
    inject: typing.Callable
    heal: typing.Callable
    alerts: tuple
    lasting: tuple = ()
    inhibited: tuple = ()
    quiet: tuple = ()
    core: bool = False


def _kill_broker(stack):
    stack.broker.kill()


def _start_broker(stack):
    stack.broker.start()


def _refuse_connections(stack):
    stack.set_fault("CONNECT", "ERROR")
    stack.reconnect()


def _fail_publishes(stack):
    stack.set_fault("PUBLISH_WITH_ACK", "ERROR")


def _clear(stack):
    stack.clear_faults()
    stack.router.wait_connected()


def _flap(stack):
    metric = "router_nats_connection_established_total"
    for _ in range(5):
        before = stack.router.metric(metric)
        stack.set_fault("CONNECT", "CLOSE_CONNECTION", count=1)
        stack.reconnect()
        stack.router.wait_for_metric(metric, before + 2)


def _drop(stack):
    stack.set_fail_open(True)
    stack.set_fault("PUBLISH_WITH_ACK", "ERROR")


def _stop_dropping(stack):
    stack.set_fail_open(False)
    stack.clear_faults()


def _hold_back(stack):
    stack.set_fault("PUBLISH_WITH_ACK", "DELAY", delay_ms=1200)


def _make_dead_letters(stack):
    stack.broker.kill()
    stack.router.wait_not_connected()
    stack.publish_to_no_stream()
    stack.broker.start()


def _stop_router(stack):
    stack.router.process.stop_running()


def _continue_router(stack):
    stack.router.process.go_on()


SCENARIOS = [
    Scenario(
        "outage", "the broker is killed, and started again", {**_SHORT_BUDGET, **_ROOM},
        _kill_broker, _start_broker,
        alerts=("RouterNATSConnectionDown", "RouterNATSReconnectionExhausted"),
        inhibited=("RouterNATSPublishFailureRate", "RouterNATSReconnectFailureRate"),
        quiet=("RouterTargetDown", "RouterMessagesUnaccounted"), core=True),
    Scenario(
        "exhaustion", "connecting fails until the attempts are used up", {**_SHORT_BUDGET, **_ROOM},
        _refuse_connections, _clear,
        alerts=("RouterNATSConnectionDown", "RouterNATSReconnectionExhausted"), core=True),
    Scenario(
        "publish_failures", "publishing fails; everything is queued", {**_SHORT_BUDGET, **_ROOM},
        _fail_publishes, _clear,
        alerts=("RouterNATSPublishFailureRate",),
        quiet=("RouterNATSConnectionDown", "RouterNATSReconnecting"), core=True),
    Scenario(
        "reconnect_failures", "connecting fails, with attempts left", {**_NO_BUDGET, **_ROOM},
        _refuse_connections, _clear,
        alerts=("RouterNATSReconnecting", "RouterNATSReconnectFailureRate"),
        quiet=("RouterNATSConnectionDown", "RouterNATSReconnectionExhausted"), core=True),
    Scenario(
        "queue_full", "publishing fails until the queue is full", {**_NO_BUDGET, **_NO_ROOM},
        _fail_publishes, _clear,
        alerts=("RouterNATSPendingQueueFull",), lasting=("RouterPublishErrorBudgetBurnFast",),
        quiet=("RouterNATSConnectionDown",), core=True),
    Scenario(
        "flapping", "the connection is closed again and again", {**_NO_BUDGET, **_ROOM},
        _flap, _clear, alerts=("RouterNATSConnectionFlapping",)),
    Scenario(
        "fail_open", "publishing fails in fail-open mode", {**_NO_BUDGET, **_ROOM},
        _drop, _stop_dropping,
        alerts=("RouterNATSMessagesDropped", "RouterNATSFailOpenTooLong")),
    Scenario(
        "slow_broker", "each message holds up those behind it for 1.2 s",
        {**_NO_BUDGET, **_ROOM, "nats_ack_timeout_ms": 10000},
        _hold_back, _clear, alerts=("RouterNATSDeliveryLatencyHigh",)),
    Scenario(
        "dead_letters", "a message is queued for which there is no stream", {**_NO_BUDGET, **_ROOM},
        _make_dead_letters, _clear, alerts=("RouterNATSDeadLettersGrowing",)),
    Scenario(
        "router_hangs", "the router is stopped with SIGSTOP", {**_NO_BUDGET, **_ROOM},
        _stop_router, _continue_router, alerts=("RouterTargetDown",)),
]
