"""Scenario 7, inside the stream's duplicate window."""

from frame.ack_loss import lose_acks
from frame.scenario import Planted, Scenario


class AckLost(Scenario):
    name = "ack_lost"
    sentence = ("what the broker sends is thrown away for a while, and everything in doubt is sent "
                "again within the stream's duplicate window: no duplicates")
    planted = (
        Planted.failpoint("a message is sent again with another id", "redeliver=new_id@0.2",
                          "duplicates"),
    )

    def run(self, run):
        lose_acks(run, duplicate_window_s=120, loss_s=(0.2, 1.5), searches=False)
