"""One door for all providers: the model names the provider. Any OpenAI-style client can use it."""

from __future__ import annotations

import adapters
import harness
import pytest

MODELS = {kind.provider: kind.model for kind in (adapters.OpenAI, adapters.Together, adapters.Fireworks)}


@pytest.mark.openai
@pytest.mark.parametrize("provider", harness.PROVIDERS)
def test_the_model_names_the_provider(sdk, emulator, provider):
    keys = {provider: [emulator.key(provider), emulator.key(provider)]}
    with harness.gateway(emulator, keys) as gateway:
        client = sdk.sdk.OpenAI(api_key="unused", base_url=f"{gateway.url}/v1", max_retries=0)
        question = {"model": f"{provider}/{MODELS[provider]}", "messages": adapters.MESSAGES}
        assert client.chat.completions.create(**question).choices[0].message.content
        emulator.set(provider, keys[provider][0], "revoked")
        assert client.chat.completions.create(**question).choices[0].message.content
        assert len(list(client.chat.completions.create(**question, stream=True))) > 2
