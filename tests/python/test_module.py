"""The module as a program imports it: types come and go as they should, and nothing panics."""

import json
import threading
import unittest

import keywright

REFUSAL = {"error": {"message": "Incorrect API key provided", "type": "invalid_request_error", "code": "invalid_api_key"}}
# Made at run time: a text with a key's whole shape would itself look leaked.
KEY = "sk-proj-" + "a" * 74 + "T3BlbkFJ" + "b" * 70 + "M6zr"


class Classify(unittest.TestCase):
    def test_a_refusal_is_a_diagnosis(self):
        found = keywright.classify("openai", 401, json.dumps(REFUSAL), "/v1/chat/completions")
        self.assertEqual((found.verdict, found.provider), ("auth", "openai"))
        self.assertEqual((found.cause, found.page), ("invalid_key", "invalid_key"))
        self.assertIn(found.confidence, ("possible", "likely", "certain"))
        self.assertEqual(found.evidence[0].witness, "text")
        self.assertTrue(all(fix.says for fix in found.fixes))
        self.assertIn("revoked_or_rotated", [other.cause for other in found.alternatives])

    def test_a_diagnosis_is_read_by_a_person(self):
        shown = str(keywright.classify("openai", 401, json.dumps(REFUSAL)))
        self.assertTrue(shown.startswith("error[invalid_key]: the provider does not know this key"), shown)
        self.assertIn("= help: ", shown)
        self.assertIn("keywright explain invalid_key", shown)
        self.assertNotIn("\x1b", shown)

    def test_a_diagnosis_does_not_change(self):
        found = keywright.classify("openai", 401, b"")
        with self.assertRaises(AttributeError):
            found.cause = "other"
        found.to_dict()["cause"] = "other"
        self.assertEqual(found.to_dict()["cause"], found.cause)
        self.assertEqual(found, keywright.classify("openai", 401, b""))

    def test_a_diagnosis_is_plain_json(self):
        found = keywright.classify("together", 401, b"").to_dict()
        self.assertEqual((found["schema"], found["verdict"]), (1, "auth"))
        self.assertEqual(json.loads(json.dumps(found)), found)

    def test_bytes_and_text_say_the_same(self):
        text = json.dumps(REFUSAL)
        as_text = keywright.classify("openai", 401, text)
        self.assertEqual(keywright.classify("openai", 401, text.encode()), as_text)
        self.assertEqual(keywright.classify("openai", 401, bytearray(text.encode())), as_text)
        self.assertEqual(keywright.classify(provider="openai", status=401, body=text, path=""), as_text)

    def test_a_good_answer_has_no_diagnosis(self):
        self.assertIsNone(keywright.classify("openai", 200, b'{"object": "list"}'))

    def test_a_rate_limit_is_no_fault_of_the_key(self):
        found = keywright.classify("openai", 429, '{"error": {"code": "rate_limit_exceeded"}}')
        self.assertEqual((found.verdict, found.cause), ("not_auth", "rate_limit"))

    def test_a_key_in_the_body_is_not_in_the_diagnosis(self):
        for key in (KEY, "fw_" + "c" * 24, "tgp_v1_" + "d" * 43):
            body = {"error": {"message": f"Incorrect API key provided: {key}", "code": key, "type": key}}
            found = keywright.classify("fireworks", 401, json.dumps(body))
            self.assertNotIn(key[:24], json.dumps(found.to_dict()) + str(found) + repr(found))

    def test_wrong_values_and_types_are_told_apart(self):
        with self.assertRaisesRegex(ValueError, "no provider `nosuch`"):
            keywright.classify("nosuch", 401, b"")
        for status in (-1, 65_536):
            with self.assertRaisesRegex(ValueError, "no HTTP status"):
                keywright.classify("openai", status, b"")
        for wrong in ((None, 401, b""), ("openai", "401", b""), ("openai", 401, None), ("openai", 401, 1), ("openai", 401, b"", 1)):
            with self.assertRaises(TypeError):
                keywright.classify(*wrong)
        with self.assertRaises(TypeError):
            keywright.classify("openai", 401)
        with self.assertRaisesRegex(TypeError, "expected bytes or str, not dict"):
            keywright.classify("openai", 401, {})

    def test_any_bytes_are_read(self):
        for body in (b"", b"\x00\xff\xfe", b"{" * 100_000, b'{"error":' * 10_000, "é\u0000\U0001f511", b"null", b"[]", b'"\\ud800"'):
            for provider in keywright.providers():
                for status in (0, 200, 401, 599, 65_535):
                    keywright.classify(provider, status, body, "\u0000")


class Inspect(unittest.TestCase):
    def test_a_good_key_has_no_finding(self):
        self.assertEqual(keywright.inspect(KEY, "openai"), [])

    def test_a_newline_is_found_with_its_place(self):
        finding = keywright.inspect(KEY + "\n", "openai")[0]
        self.assertEqual((finding.cause, finding.severity), ("whitespace_or_newline", "error"))
        self.assertEqual(finding.at, len(KEY))
        self.assertNotIn(KEY, str(finding) + repr(finding))

    def test_a_finding_without_a_place_says_none(self):
        self.assertIsNone(keywright.inspect("", "openai")[0].at)

    def test_positions_count_characters_as_python_does(self):
        self.assertEqual(keywright.inspect("sk-\u201c" + KEY, "openai")[0].at, 3)

    def test_the_shape_of_a_key_says_whose_it_is(self):
        self.assertEqual(keywright.inspect(KEY), [])
        self.assertEqual(keywright.inspect("fw_" + "c" * 24), [])
        self.assertEqual(keywright.inspect(KEY, "together")[0].cause, "wrong_provider_key")

    def test_wrong_values_and_types_are_told_apart(self):
        with self.assertRaisesRegex(ValueError, "no provider `nosuch`"):
            keywright.inspect(KEY, "nosuch")
        for wrong in ((None, "openai"), (b"", "openai"), (KEY, 1)):
            with self.assertRaises(TypeError):
                keywright.inspect(*wrong)


class Words(unittest.TestCase):
    def test_a_mask_keeps_prefix_and_tail(self):
        self.assertEqual(keywright.mask(KEY), "sk-proj-…M6zr")
        self.assertEqual(keywright.mask("short"), "…")

    def test_a_text_is_redacted_by_shape(self):
        redacted = keywright.redact(f"key={KEY}, bye")
        self.assertNotIn(KEY, redacted)
        self.assertTrue(redacted.endswith(", bye"), redacted)
        self.assertEqual(keywright.redact("no key here: é"), "no key here: é")

    def test_threads_redact_at_one_time(self):
        text, results = f"{KEY} " * 1_000, []
        threads = [threading.Thread(target=lambda: results.append(keywright.redact(text))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(results)), 1)
        self.assertNotIn(KEY, results[0])

    def test_only_text_is_taken(self):
        for function in (keywright.mask, keywright.redact):
            for wrong in (None, b"", 1):
                with self.assertRaises(TypeError):
                    function(wrong)
        with self.assertRaises(ValueError):
            keywright.mask("\ud800")

    def test_causes_and_providers_are_those_of_the_catalogue(self):
        causes = keywright.causes()
        self.assertEqual(len(causes), len(set(causes)))
        self.assertTrue({"invalid_key", "revoked_or_rotated", "expired", "rate_limit"} <= set(causes))
        self.assertTrue({"openai", "fireworks", "together"} <= set(keywright.providers()))
        self.assertIn(keywright.classify("openai", 401, b"").cause, causes)


class Module(unittest.TestCase):
    def test_it_tells_its_version(self):
        self.assertRegex(keywright.__version__, r"^\d+\.\d+\.\d+")

    def test_everything_public_is_documented(self):
        for name in keywright.__all__:
            member = getattr(keywright, name)
            self.assertTrue(not callable(member) or member.__doc__, name)


if __name__ == "__main__":
    unittest.main()
