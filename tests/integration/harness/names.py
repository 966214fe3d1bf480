"""Names that dashboards and alerts depend on."""

_COUNTERS = """
router_nats_connection_established_total router_nats_connection_lost_total
router_nats_connection_restored_total router_nats_connection_failures_total
router_nats_reconnect_attempts_total router_nats_reconnect_failures_total
router_nats_reconnection_exhausted_total router_nats_publish_total
router_nats_publish_failures_total router_nats_publish_with_ack_total
router_nats_publish_with_ack_failures_total router_nats_ack_total router_nats_ack_failures_total
router_nats_nak_total router_nats_nak_failures_total router_nats_subscribe_total
router_nats_subscribe_failures_total router_nats_pending_operations_retry
router_nats_pending_operations_retry_success router_nats_pending_operations_retry_failed
router_nats_pending_operations_dropped_total router_nats_possible_duplicates_total
router_nats_publish_outcomes_total
router_nats_publish_failure_reasons_total router_nats_dead_letters_total
router_messages_accepted_total router_grpc_server_handled_total router_spool_errors_total
""".split()
_GAUGES = """
router_nats_connection_status router_nats_pending_operations_count
router_nats_pending_operations_limit router_nats_pending_bytes router_nats_pending_bytes_limit
router_nats_pending_oldest_age_seconds router_nats_pending_drain_eta_seconds
router_nats_fail_open_enabled router_nats_fail_open_expire_timestamp_seconds
router_nats_dead_letters_count router_messages_unaccounted router_build_info
router_spool_damaged router_spool_damaged_records
process_resident_memory_bytes process_open_fds process_start_time_seconds
""".split()
_HISTOGRAMS = """
router_nats_publish_latency_seconds router_nats_delivery_latency_seconds
router_grpc_server_handling_seconds router_spool_fsync_seconds
""".split()

CONTRACT_METRICS = {
    **{name: "counter" for name in _COUNTERS},
    **{name: "gauge" for name in _GAUGES},
    **{name: "histogram" for name in _HISTOGRAMS},
}

# Names that promtool objects to and that stay for the sake of those who use them: counters without
# _total, and gauges that end in _count.
OBJECTIONABLE_METRICS = {
    "router_nats_pending_operations_count",
    "router_nats_dead_letters_count",
    "router_nats_pending_operations_retry",
    "router_nats_pending_operations_retry_success",
    "router_nats_pending_operations_retry_failed",
}
