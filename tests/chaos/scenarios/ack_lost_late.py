"""Scenario 7, beyond the stream's duplicate window."""

from frame.ack_loss import lose_acks
from frame.scenario import Planted, Scenario


class AckLostLate(Scenario):
    name = "ack_lost_late"
    sentence = ("what the broker sends is thrown away for longer than the stream's duplicate "
                "window, so that it cannot tell what it has already: no duplicates, since "
                "the router looks before it sends again")
    weight = 1.5
    short_s = 10.0
    planted = (Planted.failpoint("what may be in the stream is sent without a look",
                                 "redeliver=do_not_look", "duplicates"),)

    def run(self, run):
        # Half of a short window is all that the router allows a message for its arrival.
        lose_acks(run, duplicate_window_s=2, loss_s=(2.5, 3.5), searches=True)
