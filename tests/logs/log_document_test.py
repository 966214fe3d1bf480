"""docs/logs.md and the code say the same about log events, field by field."""

import re
import unittest

import events

_STRING = re.compile(r'"[^"]*"')


class LogDocumentTest(unittest.TestCase):

    def test_the_code_and_the_page_have_the_same_events(self):
        self.assertEqual(sorted(events.emitted()), sorted(events.documented()))

    def test_levels_and_fields_are_the_same(self):
        documented = events.documented()
        for code, emitted in events.emitted().items():
            self.assertEqual(repr(documented[code]), repr(emitted), code)

    def test_every_event_has_an_example_that_is_like_it(self):
        documented = events.documented()
        examples = {line["error_code"]: line for line in events.examples()}
        self.assertEqual(sorted(examples), sorted(documented))
        for code, line in examples.items():
            event = documented[code]
            self.assertEqual(list(line)[:5], list(events.COMMON), code)
            self.assertEqual(line["level"], event.level, code)
            fields = set(line) - set(events.COMMON) - set(events.SOMETIMES)
            self.assertLessEqual(event.always, fields, code)
            self.assertLessEqual(fields, event.always | event.sometimes, code)

    def test_queries_name_events_and_fields_that_there_are(self):
        documented = events.documented()
        fields = set(events.COMMON) | set(events.SOMETIMES)
        for event in documented.values():
            fields |= event.always | event.sometimes
        queries = events.blocks("sh") + events.blocks("logql")
        self.assertGreater(len(queries), 10)
        for query in queries:
            for code in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", query):
                if code in ("TRACE_ID",):
                    continue
                matches = [known for known in documented if known.startswith(code.rstrip("_"))]
                self.assertTrue(matches, f"{code} in {query}")
            for field in re.findall(r"(?<![\w/\"])\.(\w+)", _STRING.sub('""', query)):
                if field != "log":
                    self.assertIn(field, fields, query)

    def test_logql_is_made_of_a_selector_and_stages(self):
        for block in events.blocks("logql"):
            for query in block.strip().split("\n\n"):
                self.assertEqual(query.count("("), query.count(")"), query)
                self.assertEqual(query.count("{"), query.count("}"), query)
                self.assertEqual(query.count('"') % 2, 0, query)
                self.assertRegex(query, r'\{job="router"\}')
                names = re.findall(r"\| (\w+)", query)
                self.assertLessEqual(set(names) - set("json line_format unwrap".split()),
                                     self._label_names(), query)

    def _label_names(self):
        names = {"error_code", "level", "suppressed"}
        for event in events.documented().values():
            names |= event.always | event.sometimes
        return names


if __name__ == "__main__":
    unittest.main()
