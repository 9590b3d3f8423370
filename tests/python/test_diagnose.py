"""Exceptions and texts: what they tell, whatever library raised them."""

import json
import sys
import unittest

import httpx2 as httpx
import keywright
import openai

KEY = "sk-proj-" + "a" * 74 + "T3BlbkFJ" + "b" * 70 + "M6zr"
REFUSAL = {
    "error": {
        "message": f"Incorrect API key provided: {KEY}. You can find your API key at https://platform.openai.com/account/api-keys.",
        "type": "invalid_request_error",
        "code": "invalid_api_key",
    }
}


def raised(work):
    """The exception of some work, with its traceback."""
    try:
        work()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def answering(status, body, **client):
    """A client of the real SDK that gets this answer to everything."""
    transport = httpx.MockTransport(lambda request: httpx.Response(status, json=body, request=request))
    return openai.OpenAI(api_key=KEY, http_client=httpx.Client(transport=transport), max_retries=0, **client)


def chat(client):
    return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])


class Exceptions(unittest.TestCase):
    def test_a_refusal_of_the_real_sdk(self):
        error = raised(lambda: chat(answering(401, REFUSAL)))
        found = keywright.diagnose(error, here=False)
        self.assertEqual((found.verdict, found.provider, found.cause), ("auth", "openai", "invalid_key"))
        self.assertIn(f"openai {openai.__version__} raised `openai.AuthenticationError`", [seen.says for seen in found.evidence])
        self.assertRegex(str(found), r"--> .*test_diagnose.py:\d+")

    def test_what_is_no_fault_of_the_key(self):
        for status, code, cause in (
            (429, "rate_limit_exceeded", "rate_limit"),
            (429, "insufficient_quota", "quota_exhausted"),
            (404, "model_not_found", "model_not_found"),
        ):
            error = raised(lambda: chat(answering(status, {"error": {"message": "x", "code": code}})))
            found = keywright.diagnose(error, here=False)
            self.assertEqual((found.verdict, found.cause), ("not_auth", cause))

    def test_the_address_says_who_was_called(self):
        base = "https://api.together.xyz/v1"
        error = raised(lambda: chat(answering(401, {"error": {"message": "no", "code": "invalid_api_key"}}, base_url=base)))
        self.assertEqual(keywright.diagnose(error, here=False).provider, "together")

    def test_whoever_knows_better_says_who_was_called(self):
        error = raised(lambda: chat(answering(403, {}, base_url="http://127.0.0.1:9/x")))
        self.assertEqual(keywright.diagnose(error, here=False, provider="fireworks").provider, "fireworks")

    def test_an_exception_without_a_response_is_no_trouble(self):
        class Strange(Exception):
            @property
            def response(self):
                raise OSError("closed")

            def __str__(self):
                raise ValueError("no words")

        self.assertIsNone(keywright.diagnose(Strange(), here=False))

    def test_rings_and_groups_are_read(self):
        one, two = ValueError("one"), ValueError("two")
        one.__cause__, two.__cause__ = two, one
        self.assertIsNone(keywright.diagnose(one, here=False))
        refused = raised(lambda: chat(answering(401, REFUSAL)))
        if sys.version_info >= (3, 11):
            group = ExceptionGroup("several", [refused])
            self.assertEqual(keywright.diagnose(group, here=False).cause, "invalid_key")

    def test_half_characters_are_read(self):
        self.assertIsNone(keywright.diagnose(ValueError("\ud800"), here=False))
        self.assertIsNone(keywright.diagnose("\ud800", here=False))

    def test_no_key_shows(self):
        error = raised(lambda: chat(answering(401, REFUSAL)))
        found = keywright.diagnose(error)
        shown = str(found) + repr(found) + json.dumps(found.to_dict())
        self.assertNotIn(KEY[20:40], shown)
        self.assertNotIn("b" * 12, shown)


def test_a_cause_that_the_last_exception_hides(emulator):
    client = openai.OpenAI(api_key=KEY + "\n", base_url=emulator.url + "/openai/v1", max_retries=0)
    error = raised(lambda: chat(client))
    assert str(error) == "Connection error."
    found = keywright.diagnose(error, here=False)
    assert (found.cause, found.confidence) == ("whitespace_or_newline", "certain")


class Texts(unittest.TestCase):
    def test_a_trace_is_read(self):
        text = "openai.AuthenticationError: Error code: 401 - {'error': {'code': 'account_deactivated'}}"
        for form in (text, text.encode(), bytearray(text.encode())):
            self.assertEqual(keywright.diagnose(form, here=False).cause, "account_deactivated")

    def test_other_texts_tell_nothing(self):
        self.assertIsNone(keywright.diagnose("all is well"))

    def test_other_things_are_refused(self):
        for wrong in (None, 1, ["text"], openai.AuthenticationError):
            with self.assertRaisesRegex(TypeError, "expected an exception or a text, not "):
                keywright.diagnose(wrong)


if __name__ == "__main__":
    unittest.main()
