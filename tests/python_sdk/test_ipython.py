"""IPython, and with it Jupyter: what `keywright.install()` adds under the traceback of a cell."""

import keywright
import pytest

IPython = pytest.importorskip("IPython")

CALL = """
import openai
openai.OpenAI(api_key=KEY, max_retries=0).models.list()
"""


@pytest.fixture
def shell():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    keywright.install()
    yield shell
    keywright.uninstall()
    InteractiveShell.clear_instance()


def test_the_diagnosis_stands_under_the_traceback_of_a_cell(shell, emulator, capsys):
    key = emulator.key("openai", "revoked")
    shell.user_ns["KEY"] = key
    shell.run_cell(CALL)
    shown = "".join(capsys.readouterr())
    trace, _, told = shown.partition("error[invalid_key]")
    assert "AuthenticationError" in trace and "= help:" in told, shown
    assert key[12:] not in shown


def test_a_key_in_a_cell_of_ones_own_does_not_show(shell, capsys):
    key = "sk-proj-" + "a" * 74 + "T3BlbkFJ" + "b" * 74
    shell.user_ns["KEY"] = key
    shell.run_cell("raise ValueError('Bearer ' + KEY)")
    shown = "".join(capsys.readouterr())
    assert "ValueError" in shown and "b" * 12 not in shown, shown
    assert "error[" not in shown


def test_it_comes_off_again(shell, capsys, emulator):
    shell.user_ns["KEY"] = emulator.key("openai", "revoked")
    keywright.uninstall()
    assert "_showtraceback" not in vars(shell)
    shell.run_cell(CALL)
    assert "error[" not in "".join(capsys.readouterr())
