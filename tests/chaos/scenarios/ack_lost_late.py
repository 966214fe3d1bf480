"""Scenario 7, beyond the stream's duplicate window."""

from frame.ack_loss import lose_acks
from frame.scenario import Scenario

# There is such a metric where the router looks into the stream before it sends a message again.
_LOOKS_FIRST = "router_nats_possible_duplicates_total"


class AckLostLate(Scenario):
    name = "ack_lost_late"
    sentence = ("what the broker sends is thrown away for longer than the stream's duplicate "
                "window, so that it cannot tell what it has already: no duplicates where the "
                "router looks before it sends again")

    def run(self, run):
        lose_acks(run, duplicate_window_s=0.5, loss_s=(1.2, 2.0), looks_first=_LOOKS_FIRST)
