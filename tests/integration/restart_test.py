"""The router is killed, stopped, or started where it cannot run."""

import json
import os
import socket
import subprocess
import threading
import time
import unittest

import grpc
from router.v1 import admin_pb2

from harness import oracle as outcomes
from harness.api import Api
from harness.caller import PAYLOAD_MARK, Caller
from harness.fixture import RouterTestCase
from harness.ports import free_port
from harness.router import Router
from harness.waiting import wait_until


class RestartTest(RouterTestCase):

    def test_killed_under_load(self):
        """kill -9 in the middle of everything, with the broker up and with the broker away."""
        self.start()
        for turn in range(4):
            stream = self.caller.open_stream()
            for _ in range(20):
                stream.send(f"test.{turn}.a", 50)
                stream.send(f"test.{turn}.b", 50)
            stream.wait_answered(at_least=100)
            if turn % 2:
                self.broker.kill()
                stream.wait_answered(at_least=1200)
            self.router.kill()
            wait_until(lambda s=stream: s.call_error, "the stream has ended")
            if turn % 2:
                self.broker.start()
            self.restart_router()
        self.router.wait_drained()
        told = self.oracle.count(outcomes.DELIVERED, outcomes.QUEUED)
        self.assertGreater(told, 1000)
        self.assert_messages()
        self.assertEqual(self.router.metric("router_messages_unaccounted"), 0)

    def test_sigterm_under_load_answers_every_call(self):
        self.start()
        stop = threading.Event()
        answers = []
        def unary(n):
            while not stop.is_set():
                answer = self.caller.publish(f"test.u{n}")
                answers.append(answer)
                if answer.error:
                    return
        threads = [threading.Thread(target=unary, args=(n,)) for n in range(4)]
        stream = self.caller.open_stream()
        for thread in threads:
            thread.start()
        for _ in range(40):
            stream.send("test.s", 50)
        wait_until(lambda: len(answers) > 100, "traffic")
        begin = time.monotonic()
        status = self.router.terminate()
        elapsed = time.monotonic() - begin
        stop.set()
        for thread in threads:
            thread.join(20)
        self.assertEqual(status, 0)
        self.assertLess(elapsed, 10)
        for answer in answers:
            if answer.error:
                # CANCELLED: it came while gRPC went down, and the router never saw it.
                self.assertIn(answer.error.code, (grpc.StatusCode.UNAVAILABLE,
                                                  grpc.StatusCode.CANCELLED), answer)
        wait_until(lambda: stream.call_error or stream.answered == stream.sent,
                   "the stream has its answers or its end")
        for record in self.oracle.records():
            if record.outcome == outcomes.REJECTED:
                self.assertEqual(record.sequence, 0)
        self.restart_router()
        self.router.wait_drained()
        self.assert_messages()

    def test_sigterm_while_the_broker_is_stopped(self):
        self.start(nats_ack_timeout_ms=2000)
        self.broker.stop_running()
        stream = self.caller.open_stream()
        stream.send("test.a", 100)
        wait_until(lambda: self.status().in_flight > 0, "they are on their way")
        self.assertEqual(self.router.terminate(), 0)
        wait_until(lambda: stream.call_error or stream.answered == 100, "answered or ended")
        self.broker.go_on()
        self.restart_router()
        self.router.wait_drained()
        self.assertEqual(self.oracle.count(outcomes.QUEUED, outcomes.DELIVERED), 100)
        self.assert_messages()

    def test_readiness_and_health_say_that_it_shuts_down(self):
        self.start(nats_ack_timeout_ms=3000, nats_ping_interval_ms=5000)
        self.assertEqual(self.router.health(), "SERVING")
        self.broker.stop_running()
        stream = self.caller.open_stream()
        stream.send("test.a", 10)
        wait_until(lambda: self.status().in_flight == 10, "they are on their way")
        self.router.process.signal(15)
        wait_until(lambda: self.router.get("/readyz") == 503 or not self.router.process.running,
                   "not ready while shutting down")
        self.broker.go_on()
        self.assertEqual(self.router.process.wait(15), 0)
        self.assertEqual(self.oracle.count(outcomes.DELIVERED, outcomes.QUEUED), 10)

    def test_backlog_is_delivered_in_order_after_many_kills(self):
        self.start()
        self.lose_broker()
        for _ in range(4):
            self.assert_outcomes(self.caller.publish_many("test.a", 25), outcomes.QUEUED)
            self.router.kill()
            self.restart_router(connected=False)
        operations = [r.operation_id for r in self.oracle.records()]
        self.assertEqual(operations, sorted(set(operations)), "ids are never used again")
        self.bring_broker_back()
        self.assert_contract(recovered=100)

    def test_damage_of_the_queue_is_said_until_an_operator_acknowledges_it(self):
        self.start()
        self.lose_broker()
        self.assert_outcomes(self.caller.publish_many("test.a", 20), outcomes.QUEUED)
        self.assertEqual(self.router.health("spool"), "SERVING")
        self.router.terminate()
        folder = self.router.settings["pending_dir"]
        path = os.path.join(folder, "pending.db")
        with open(path, "rb") as f:
            content = f.read()
        at = content.index(PAYLOAD_MARK)
        with open(path, "wb") as f:
            f.write(content[:at] + b"X" + content[at + 1:])
        self.restart_router(connected=False)

        wait_until(lambda: self.router.health("spool") == "NOT_SERVING", "health says it")
        self.assertEqual(self.router.health("readiness"), "SERVING")
        self.assertRegex(self.router.page("/readyz"), r"^ok\nwarning: .*at most 1 messages")
        damage = self.status().queue.damage
        self.assertEqual((damage.records, damage.folder), (1, folder))
        self.assertEqual(self.router.metric("router_spool_damaged_records"), 1)
        self.assertEqual(self.router.metric("router_spool_damaged"), 1)
        self.assertEqual(self.status().queue.count, 19)

        os.rename(damage.log, os.path.join(folder, "damage.log.seen"))
        wait_until(lambda: self.router.health("spool") == "SERVING", "it is acknowledged")
        self.assertEqual(self.router.page("/readyz"), "ok\n")
        self.assertFalse(self.status().queue.HasField("damage"))
        self.assertEqual(self.router.metric("router_spool_damaged"), 0)
        self.bring_broker_back()
        self.router.wait_drained()
        self.assertEqual(self.broker.message_count("TEST"), 19)

    def test_fail_open_mode_and_its_end_survive_a_restart(self):
        self.start()
        self.lose_broker()
        request = admin_pb2.SetFailOpenModeRequest(enabled=True, reason="survives")
        request.ttl.FromSeconds(3)
        mode = self.router.api.SetFailOpenMode(request).mode
        self.router.kill()
        self.restart_router(connected=False)
        after = self.router.api.GetFailOpenMode(admin_pb2.GetFailOpenModeRequest()).mode
        self.assertEqual((after.enabled, after.reason, after.expire_time, after.etag),
                         (True, "survives", mode.expire_time, mode.etag))
        self.assertEqual(self.caller.publish("test.a").outcome, outcomes.DROPPED)
        wait_until(lambda: self.caller.publish("test.b").outcome == outcomes.QUEUED,
                   "the mode ends at the same time", 6, poll_s=0.05)
        self.assertGreaterEqual(time.time(), mode.expire_time.ToMilliseconds() / 1000)
        self.bring_broker_back()
        self.assert_contract()

    def test_pause_is_said_by_the_status_after_a_restart(self):
        self.start()
        self.router.api.PauseDelivery(admin_pb2.PauseDeliveryRequest(reason="test"))
        self.assert_outcomes(self.caller.publish_many("test.a", 3), outcomes.QUEUED)
        self.router.terminate()
        self.restart_router()
        if self.status().queue.delivery_paused:
            self.router.api.ResumeDelivery(admin_pb2.ResumeDeliveryRequest(reason="test"))
        self.assert_contract(recovered=3)

    def test_stopped_router_goes_on(self):
        """SIGSTOP of the router for longer than the ping budget."""
        self.start()
        stream = self.caller.open_stream()
        stream.send("test.a", 500)
        self.router.process.stop_running()
        end = time.monotonic() + 1.2
        wait_until(lambda: time.monotonic() > end, "longer than the ping budget", 3, 0.1)
        self.router.process.go_on()
        stream.wait_answered()
        stream.finish()
        self.router.wait_connected()
        self.assert_contract()


class StartTest(RouterTestCase):

    def run_to_its_end(self, router, timeout_s=10):
        finished = subprocess.run(router.command(), capture_output=True, text=True,
                                  timeout=timeout_s, check=False)
        return finished.returncode, finished.stdout + finished.stderr

    def test_second_router_on_the_same_folder_is_refused(self):
        self.start()
        second = Router(self.folder, [self.broker.url], "second")
        second.settings["pending_dir"] = self.router.settings["pending_dir"]
        status, output = self.run_to_its_end(second)
        self.assertNotEqual(status, 0)
        self.assertIn(self.router.settings["pending_dir"], output)
        self.assertRegex(output.lower(), "another|in use|lock")
        self.assert_contract()

    def test_grpc_port_in_use(self):
        self.port_in_use("grpc_listen")

    def test_http_port_in_use(self):
        self.port_in_use("http_listen")

    def port_in_use(self, setting):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", free_port()))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            router = Router(self.folder, ["nats://127.0.0.1:1"], **{setting: address})
            status, output = self.run_to_its_end(router)
        self.assertNotEqual(status, 0)
        self.assertIn(address, output)
        self.assertNotIn("***", output, "a clear line, no crash")

    def test_grpc_port_in_use_by_another_router(self):
        self.start()
        second = Router(self.folder, [self.broker.url], "second",
                        grpc_listen=self.router.settings["grpc_listen"])
        status, output = self.run_to_its_end(second)
        self.assertNotEqual(status, 0)
        self.assertIn(self.router.settings["grpc_listen"], output)
        self.assert_contract()

    def test_listening_elsewhere_without_tls_is_refused(self):
        router = Router(self.folder, ["nats://127.0.0.1:1"],
                        grpc_listen=f"0.0.0.0:{free_port()}")
        status, output = self.run_to_its_end(router)
        self.assertNotEqual(status, 0)
        self.assertIn("insecure", output)

    def test_wrong_flags_are_named(self):
        router = Router(self.folder, ["nats://127.0.0.1:1"], nats_reconect_attempts=3,
                        nats_ack_timeout_ms="soon")
        status, output = self.run_to_its_end(router)
        self.assertEqual(status, 78)
        self.assertIn("nats_reconect_attempts", output)
        self.assertIn("nats_ack_timeout_ms", output)

    def test_settings_from_file_environment_and_flags(self):
        self.start_broker()
        path = os.path.join(self.folder, "router.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write("nats:\n  reconnect_attempts: 7\n  max_pending_operations: 70\n"
                    "  reconnect_delay_ms: 15\n")
        os.environ["ROUTER_NATS_MAX_PENDING_OPERATIONS"] = "71"
        self.addCleanup(os.environ.pop, "ROUTER_NATS_MAX_PENDING_OPERATIONS")
        self.start_router(config=path, nats_reconnect_attempts=None, nats_reconnect_delay_ms=16)
        answer = self.router.api.GetEffectiveConfig(admin_pb2.GetEffectiveConfigRequest())
        settings = {s.name: (s.value, s.source) for s in answer.settings}
        self.assertEqual(settings["nats_reconnect_attempts"], ("7", "file"))
        self.assertEqual(settings["nats_max_pending_operations"], ("71", "environment"))
        self.assertEqual(settings["nats_reconnect_delay_ms"], ("16", "flag"))
        self.assertEqual(self.router.metric("router_nats_pending_operations_limit"), 71)
        self.assert_contract()

    def test_inproc_transport_needs_no_broker(self):
        self.start_router([], transport="inproc")
        self.assert_outcomes(self.caller.publish_many("anything.goes", 10), outcomes.DELIVERED)
        self.assertEqual(self.status().connection.transport, "inproc")
        self.assert_contract(messages=False)

    def test_ready_means_that_calls_are_answered(self):
        router = self.make_router(["nats://127.0.0.1:1"])
        for _ in range(5):
            router.spawn()
            wait_until(lambda: router.get("/readyz") == 200, "ready", 10, poll_s=0.0005)
            router.api.GetStatus(admin_pb2.GetStatusRequest())
            router.kill()

    def test_many_clients_at_once(self):
        self.start()
        apis = [Api(f"127.0.0.1:{self.router.grpc_port}") for _ in range(30)]
        callers = []
        for api in apis:
            self.addCleanup(api.close)
            fake = type("Client", (), {"api": api})()
            callers.append(Caller(fake, self.oracle))
        threads = [threading.Thread(target=c.publish_many, args=(f"test.c{n}", 20))
                   for n, c in enumerate(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(self.oracle.outcomes(), {outcomes.DELIVERED: 600})
        self.assert_contract()

    def test_log_is_json_from_the_first_line_to_the_last(self):
        self.start()
        self.caller.publish_many("test.a", 3)
        self.router.terminate()
        for line in self.router.log.text().splitlines():
            self.assertIsInstance(json.loads(line), dict, line)


if __name__ == "__main__":
    unittest.main()
