"""When a source gives nothing that works, the key that served last stands in: each source with its real server."""

from __future__ import annotations

import pathlib
import typing

import clouds
import harness
import places
import pytest
from test_sources import chat

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where one gateway after the other starts."""
    return tmp_path_factory.mktemp("home")


def serve(
    emulator: harness.Emulator, place: places.Place, home: pathlib.Path, *options: str, **changed: str
) -> harness.Gateway:
    environment = dict(place.environment) | {"KEYWRIGHT_STATE_DIR": str(home / "state")} | changed
    configuration = harness.configuration(emulator.url, {"openai": [place.reference]})
    added = place.configuration
    return harness.Gateway(configuration + added, environment, options=options, with_helpers=bool(added), folder=home)


def without(place: places.Place, home: pathlib.Path) -> dict[str, str]:
    """What makes the place unreachable."""
    match place:
        case places.Vault():
            return {"VAULT_ADDR": NOWHERE}
        case places.Connect():
            return {"OP_CONNECT_HOST": NOWHERE}
        case places.OnePassword():
            return {"PATH": str(home)}
        case places.Age():
            return {"KEYWRIGHT_AGE_IDENTITY": str(home / "gone")}
        case clouds.AwsSecret():
            return {"AWS_ENDPOINT_URL": NOWHERE}
        case clouds.AwsParameter():
            return {"AWS_ENDPOINT_URL_SSM": NOWHERE}
        case clouds.Google():
            return {"CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": f"{NOWHERE}/"}
        case clouds.Azure():
            return {"KEYWRIGHT_AZURE_VAULT_URL": NOWHERE}
        case clouds.Kubernetes():
            return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "9"}
        case clouds.Kubectl():
            return {"PATH": str(home)}
        case places.Keyring():
            return {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={home / 'no-bus'}"}
        case _:
            pytest.skip("a file that is gone says that there is no key")


def holds(folder: pathlib.Path, key: str) -> list[str]:
    """The files that hold a piece of the key."""
    pieces = [key[at : at + 12].encode() for at in range(8, len(key) - 16, 6)]
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files
    return [file.name for file in files if any(piece in file.read_bytes() for piece in pieces)]


def test_it_stands_in_for_a_key_that_the_provider_refuses(
    emulator: harness.Emulator, place: places.Place, home: pathlib.Path
) -> None:
    good, typo = emulator.key("openai"), harness.new_key("openai")
    place.put(good)
    with serve(emulator, place, home) as gateway:
        assert chat(gateway).status == 200
    assert not holds(home, good)
    in_keyring = isinstance(place, places.Keyring)
    assert (home / "state" / "last-known-good.identity").exists() != in_keyring
    place.put(typo)
    with serve(emulator, place, home) as gateway:
        answer = chat(gateway)
        assert answer.status == 200, answer.text + gateway.output()
        gateway.stop()
        assert "the last known good key serves" in gateway.output()
        assert good not in gateway.output() and typo not in gateway.output()
    with serve(emulator, place, home, "--no-last-known-good") as gateway:
        assert chat(gateway).status == 503


def test_it_stands_in_for_a_source_that_cannot_be_reached(
    emulator: harness.Emulator, place: places.Place, home: pathlib.Path
) -> None:
    lost = without(place, home)
    good = emulator.key("openai")
    place.put(good)
    with serve(emulator, place, home) as gateway:
        assert chat(gateway).status == 200
    with serve(emulator, place, home, **lost) as gateway:
        answer = chat(gateway)
        assert answer.status == 200, answer.text + gateway.output()
        gateway.stop()
        told = gateway.output()
        assert "the last known good key serves" in told, told
        assert '"event":"keys"' in told and '"severity":"warning"' in told, told
        assert good not in told
    with serve(emulator, place, home, "--no-last-known-good", **lost) as gateway:
        assert chat(gateway).status == 503
    assert not holds(home, good)


def test_a_key_that_was_taken_away_is_not_used_any_more(
    emulator: harness.Emulator, home: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    place: typing.Final = places.File(tmp_path)
    place.put(emulator.key("openai"))
    with serve(emulator, place, home) as gateway:
        assert chat(gateway).status == 200
    place.path.unlink()
    with serve(emulator, place, home) as gateway:
        assert chat(gateway).status == 503
