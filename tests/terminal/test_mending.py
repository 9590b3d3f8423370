"""`keywright doctor --fix` at a real terminal: it shows what it would change, and only a yes changes it."""

from __future__ import annotations

import harness
import pytest
from console import Console

QUESTION = "Write these changes?"


@pytest.mark.parametrize(
    ("answer", "code", "is_mended"),
    [("yes\n", 0, True), ("Y\n", 0, True), ("no\n", 1, False), ("\n", 1, False), ("\x04", 1, False)],
)
def test_only_a_yes_changes_the_file(answer, code, is_mended, tmp_path):
    key = harness.new_key("openai")
    before, after = f"OPENAI_API_KEY = 'Bearer {key}'\n", f"OPENAI_API_KEY={key}\n"
    dotenv = tmp_path / ".env"
    dotenv.write_text(before)
    dotenv.chmod(0o600)
    with Console(["doctor", "--fix"], tmp_path, {}) as console:
        console.until(QUESTION)
        assert dotenv.read_text() == before
        console.type(answer)
        assert console.end() == code
        assert key not in console.seen
    assert dotenv.read_text() == (after if is_mended else before)
    assert (tmp_path / ".env.bak").exists() == is_mended
