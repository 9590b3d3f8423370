"""What `keywright keys` stores, seen by the tools whose formats these are: `secret-tool`, gnome-keyring and `age`."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import pty
import resource
import select
import signal
import subprocess
import typing

import harness
import places

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Home:
    """A user with a home folder, whose OpenAI is the emulator if there is one."""

    def __init__(self, folder: pathlib.Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = harness.surroundings(str(folder)) | dict(environment or {})
        data = self.environment.get("XDG_DATA_HOME", f"{folder}/.local/share")
        self.vault = pathlib.Path(data) / "keywright" / "keys.age"
        self.identity = self.vault.with_suffix(".identity")

    def keys(
        self, *arguments: str, stdin: str = "", before: Callable[[], None] | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(harness.keywright()), "keys", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment | variables,
            cwd=self.folder,
            timeout=harness.DEADLINE_SECONDS,
            preexec_fn=before,
            check=False,
        )

    def stored(self) -> list[dict[str, typing.Any]]:
        ran = self.keys("list", "--json")
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)["keys"]


def decrypted(vault: pathlib.Path, identity: pathlib.Path) -> dict[str, str]:
    """What the `age` command reads."""
    ran = subprocess.run(["age", "--decrypt", "-i", identity, vault], check=True, capture_output=True)
    return json.loads(ran.stdout)


def test_the_keyring_is_the_store_where_there_is_one(tmp_path: pathlib.Path) -> None:
    first, second, third = (harness.new_key("openai") for _ in range(3))
    with contextlib.ExitStack() as stack:
        place = places.Keyring(tmp_path, stack)
        place.put(first)
        home = Home(tmp_path, place.environment)
        lookup = ["secret-tool", "lookup", "service", "openai", "username"]
        held = lambda name: subprocess.run([*lookup, name], env=home.environment, capture_output=True, text=True).stdout  # noqa: E731
        assert [key["store"] for key in home.stored()] == ["keyring"], "what `secret-tool` stored is found"
        ran = home.keys("add", "openai", "--name", "team-b", stdin=second)
        assert ran.returncode == 0 and "keyring://openai/team-b" in ran.stdout, ran.stderr
        assert held("team-b") == second
        assert [key["name"] for key in home.stored()] == ["default", "team-b"]
        ran = home.keys("add", "openai", "--force", stdin=third)
        assert ran.returncode == 0, ran.stderr
        assert held("default") == third
        assert not home.vault.exists()
        found = subprocess.run(
            [str(harness.keywright()), "run", "--", "true"], env=home.environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert found.returncode == 0 and "keyring entry openai/default" in found.stderr, found.stderr
        assert home.keys("remove", "openai", "--yes").returncode == 0
        assert held("default") == ""
        assert all(key not in found.stderr for key in (first, second, third))


def test_a_locked_keyring_says_so_and_the_vault_is_named(tmp_path: pathlib.Path) -> None:
    with contextlib.ExitStack() as stack:
        place = places.Keyring(tmp_path, stack)
        place.put(harness.new_key("openai"))
        home = Home(tmp_path, place.environment | {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
        service, login = "org.freedesktop.Secret.Service.Lock", "/org/freedesktop/secrets/collection/login"
        lock = ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"]
        subprocess.run([*lock, service, f"array:objpath:{login}"], env=home.environment, check=True, capture_output=True)
        ran = home.keys("add", "openai", "--name", "b", "--store", "keyring", stdin=harness.new_key("openai"))
        assert ran.returncode == 1, ran.stderr
        assert "the keyring is locked" in ran.stderr and "--store age" in ran.stderr, ran.stderr
        vaults, new = harness.new_key("openai"), harness.new_key("openai")
        assert home.keys("add", "openai", "--store", "age", stdin=vaults).returncode == 0
        for arguments, code in [
            (["rotate", "openai"], 1),
            (["remove", "openai", "--yes"], 1),
            (["list"], 3),
            (["test", "openai"], 3),
            (["export", "--env", "--output", "out.env"], 3),
        ]:
            ran = home.keys(*arguments, stdin=new)
            assert ran.returncode == code, (arguments, ran.stdout, ran.stderr)
            assert "Unlock the keyring" in ran.stderr or "unlock it" in ran.stderr, (arguments, ran.stderr)
            assert "no such key" not in ran.stderr and "no key is here" not in ran.stderr, (arguments, ran.stderr)
        doctor = [str(harness.keywright()), "doctor", "openai"]
        ran = subprocess.run(doctor, env=home.environment, cwd=tmp_path, capture_output=True, text=True)
        assert "key vault, openai" in ran.stdout and "the keyring: " in ran.stdout, ran.stdout
        assert decrypted(home.vault, home.identity) == {"openai": vaults}, "no other key is taken for the one in the keyring"
        ran = home.keys("rotate", "openai", "--store", "age", stdin=new)
        assert ran.returncode == 3 and decrypted(home.vault, home.identity)["openai"] == new, ran.stderr


def test_the_age_command_opens_the_vault(tmp_path: pathlib.Path) -> None:
    openai, together = harness.new_key("openai"), harness.new_key("together")
    home = Home(tmp_path)
    assert home.keys("add", "openai", stdin=openai).returncode == 0
    assert home.keys("add", "together", "--name", "b", stdin=together).returncode == 0
    assert decrypted(home.vault, home.identity) == {"openai": openai, "together/b": together}
    assert home.keys("remove", "openai", "--yes").returncode == 0
    assert decrypted(home.vault, home.identity) == {"together/b": together}


def test_a_file_of_the_age_command_is_written_as_it_was_closed(tmp_path: pathlib.Path) -> None:
    openai, together = harness.new_key("openai"), harness.new_key("together")
    place = places.Age(tmp_path)
    place.put(openai)
    ran = Home(tmp_path, place.environment).keys("add", "together", "--store", f"age://{place.path}#together", stdin=together)
    assert ran.returncode == 0, ran.stderr
    assert decrypted(place.path, place.identity) == {"openai": openai, "together": together}


def test_a_file_of_lines_is_not_written(tmp_path: pathlib.Path) -> None:
    place = places.AgeForSsh(tmp_path)
    place.put(harness.new_key("openai"))
    before = place.path.read_bytes()
    key = harness.new_key("together")
    ran = Home(tmp_path, place.environment).keys("add", "together", "--store", f"age://{place.path}#together", stdin=key)
    assert ran.returncode == 1 and "holds lines" in ran.stderr, ran.stderr
    assert place.path.read_bytes() == before


def test_a_full_disk_loses_nothing(tmp_path: pathlib.Path) -> None:
    home, key = Home(tmp_path), harness.new_key("openai")
    assert home.keys("add", "openai", stdin=key).returncode == 0
    before = home.vault.read_bytes()

    def no_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))

    ran = home.keys("add", "openai", "--name", "b", stdin=harness.new_key("openai"), before=no_room)
    assert ran.returncode == 1 and "keys.age" in ran.stderr, ran.stderr
    assert home.vault.read_bytes() == before
    assert [file for file in home.vault.parent.iterdir() if file.suffix == ".new"] == []
    assert [key["name"] for key in home.stored()] == ["default"]


class Person:
    """Somebody at a terminal of their own."""

    def __init__(self, home: Home, *arguments: str) -> None:
        self.seen = ""
        self.waited = 0
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(home.folder)
            os.execve(str(harness.keywright()), ["keywright", "keys", *arguments], home.environment)

    def waits_for(self, text: str) -> None:
        """Something that comes after what was waited for before."""
        while text not in self.seen[self.waited :]:
            assert self._read(), f"no `{text}` in: {self.seen}"
        self.waited = self.seen.index(text, self.waited) + len(text)

    def types(self, text: str) -> None:
        os.write(self.terminal, text.encode() + b"\r")

    def ends(self) -> int:
        while self._read():
            pass
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])

    def _read(self) -> bool:
        assert select.select([self.terminal], [], [], harness.DEADLINE_SECONDS)[0], f"nothing more after: {self.seen}"
        try:
            read = os.read(self.terminal, 4096)
        except OSError:
            return False
        self.seen += read.decode(errors="replace")
        return bool(read)


def test_a_key_is_asked_for_and_stays_hidden(tmp_path: pathlib.Path) -> None:
    home, key = Home(tmp_path), harness.new_key("openai")
    person = Person(home, "add", "openai")
    person.waits_for("Paste the OpenAI key")
    person.types(key)
    assert person.ends() == 0, person.seen
    assert key not in person.seen and key[8:30] not in person.seen, "echoed"
    assert decrypted(home.vault, home.identity) == {"openai": key}


def test_nothing_is_stored_when_the_person_gives_up(tmp_path: pathlib.Path) -> None:
    home = Home(tmp_path)
    person = Person(home, "add", "openai")
    person.waits_for("Paste the OpenAI key")
    os.write(person.terminal, b"sk-proj-half\x03")
    assert person.ends() == 1, person.seen
    assert "nothing was entered" in person.seen and not home.vault.exists()


def test_what_was_pasted_with_the_key_is_taken_off_after_a_yes(tmp_path: pathlib.Path) -> None:
    home, key = Home(tmp_path), harness.new_key("openai")
    for answer, code in (("n", 1), ("y", 0)):
        person = Person(home, "add", "openai")
        person.waits_for("Paste the OpenAI key")
        person.types(f'Bearer "{key}"')
        person.waits_for("Store it without that")
        person.types(answer)
        assert person.ends() == code, person.seen
        assert key not in person.seen
        assert home.vault.exists() == (answer == "y")
    assert decrypted(home.vault, home.identity) == {"openai": key}


def test_keys_do_not_go_to_a_terminal(tmp_path: pathlib.Path) -> None:
    home, key = Home(tmp_path), harness.new_key("openai")
    assert home.keys("add", "openai", stdin=key).returncode == 0
    person = Person(home, "export", "--env")
    assert person.ends() == 2, person.seen
    assert "a terminal remembers" in person.seen and key not in person.seen


def test_a_passphrase_closes_a_new_vault_and_is_asked_for_again(tmp_path: pathlib.Path) -> None:
    home, key = Home(tmp_path), harness.new_key("openai")
    person = Person(home, "add", "openai", "--passphrase")
    person.waits_for("Paste the OpenAI key")
    person.types(key)
    person.waits_for("Passphrase for the new key vault")
    person.types("correct horse")
    person.waits_for("The same again")
    person.types("correct horse")
    assert person.ends() == 0, person.seen
    assert not home.identity.exists() and "correct" not in person.seen
    person = Person(home, "list")
    person.waits_for("Passphrase of the key vault")
    person.types("battery staple")
    person.waits_for("that passphrase does not open it")
    # Nobody types before being asked, and what comes before the question is not hidden.
    person.waits_for("Passphrase of the key vault")
    person.types("correct horse")
    assert person.ends() == 0, person.seen
    assert "key vault, openai" in person.seen and key not in person.seen
    ran = home.keys("list", KEYWRIGHT_AGE_PASSPHRASE="wrong")
    assert "the passphrase or identity does not open it" in ran.stderr, ran.stderr
    assert "nothing is set that opens it" in home.keys("list").stderr
