"""Messages that no router may take, by what is wrong with them."""

# Deletes stream TEST, and purges it, where it reaches a broker as it is.
INJECTED_SUBJECT = "zz 0\r\n\r\nPUB $JS.API.STREAM.DELETE.TEST"
INJECTED_HEADER = {"a\r\nNats-Rollup": "all"}

BAD_SUBJECTS = ("", "a" * 256, "a b", "a\tb", "a\rb", "a\nb", "a\0b", "a\x01b", "a\x7fb", "a.*",
                "*", "a.>", ">", "a..b", ".a", "a.", ".", INJECTED_SUBJECT)
RESERVED_SUBJECTS = ("$JS.API.STREAM.DELETE.TEST", "$SYS.REQ", "$KV.b.k", "$O.b", "$", "$X",
                     "_INBOX.a", "_R_.a")
BAD_HEADERS = ({"": "v"}, {"a b": "v"}, {"a:b": "v"}, INJECTED_HEADER, {"a\0": "v"},
               {"ü": "v"}, {"k": "a\rb"}, {"k": "a\nb"}, {"k": "a\0b"},
               {"k": "x\r\nNats-Rollup: all"}, {"Nats-Msg-Id": "x"}, {"nats-rollup": "all"},
               {"NATS-Expected-Stream": "x"})
BAD_IDS = ("a b", "x" * 129, "a\n", "a\0", "ü", "\x7f")
