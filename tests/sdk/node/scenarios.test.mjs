// The scenarios of tests/sdk, with the Node SDKs: unmodified, newest, retries off.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Emulator, Gateway, load, newToken, versionOf } from './harness.mjs';

const { OpenAI, toFile } = load('openai');
const { Together } = load('together-ai');

const messages = [{ role: 'user', content: 'Say hello.' }];
const SDKS = [
  {
    name: `openai ${versionOf('openai')}`,
    provider: 'openai',
    base: '/openai/v1',
    make: (options) => new OpenAI(options),
    errors: OpenAI,
    model: 'gpt-4o-mini',
    embeddingModel: 'text-embedding-3-small',
    async upload(client, content) {
      const file = await client.files.create({ file: await toFile(content, 'data.jsonl'), purpose: 'fine-tune' });
      assert.equal(file.bytes, content.length);
    },
  },
  {
    name: `together-ai ${versionOf('together-ai')}`,
    provider: 'together',
    base: '/together/v1',
    make: (options) => new Together(options),
    errors: Together,
    model: 'meta-llama/Llama-3.3-70B-Instruct-Turbo',
    embeddingModel: 'togethercomputer/m2-bert-80M-8k-retrieval',
    async upload(client, content) {
      const file = await toFile(content, 'speech.wav');
      const answer = await client.audio.transcriptions.create({ model: 'openai/whisper-large-v3', file });
      assert.ok(answer.text);
    },
  },
];

let emulator;
before(async () => {
  emulator = await Emulator.launch();
});
after(() => emulator.stop());

for (const sdk of SDKS) {
  describe(sdk.name, () => {
    const chat = (client) => client.chat.completions.create({ model: sdk.model, messages });
    const stream = (client) => client.chat.completions.create({ model: sdk.model, messages, stream: true });
    const clientOf = (gateway, apiKey) =>
      sdk.make({ apiKey, baseURL: gateway.url + sdk.base, maxRetries: 0, timeout: 60_000 });

    /** Runs a scenario with two keys, a gateway that holds them and a client with a token of its own. */
    const scenario = (name, play) =>
      test(name, async () => {
        const keys = [await emulator.key(sdk.provider), await emulator.key(sdk.provider)];
        const token = newToken();
        const gateway = await Gateway.launch(emulator, { provider: sdk.provider, keys, token });
        try {
          const revoke = (key) => emulator.set(sdk.provider, key, 'revoked');
          await play({ client: clientOf(gateway, token), keys, revoke });
        } finally {
          await gateway.stop();
        }
      });

    scenario('chat', async ({ client, keys }) => {
      assert.ok((await chat(client)).choices[0].message.content);
      assert.deepEqual(await emulator.calls(sdk.provider, keys[0]), { 200: 1 });
    });

    scenario('streaming', async ({ client }) => {
      assert.ok(text(await all(await stream(client))));
    });

    scenario('embeddings', async ({ client }) => {
      const answer = await client.embeddings.create({ model: sdk.embeddingModel, input: 'a sentence' });
      assert.ok(answer.data[0].embedding.length > 10);
    });

    scenario('an upload of 30 MiB', async ({ client }) => {
      await sdk.upload(client, Buffer.alloc(30 * 1024 * 1024));
    });

    scenario('an upload of 30 MiB survives a revoked key', async ({ client, keys, revoke }) => {
      await revoke(keys[0]);
      await sdk.upload(client, Buffer.alloc(30 * 1024 * 1024));
    });

    scenario('a key revoked between calls', async ({ client, keys, revoke }) => {
      await chat(client);
      await revoke(keys[0]);
      for (let call = 0; call < 3; call += 1) assert.ok((await chat(client)).choices[0].message.content);
    });

    scenario('a key revoked during 200 concurrent calls', async ({ client, keys, revoke }) => {
      let answered = 0;
      let revoked;
      const caller = async () => {
        for (let call = 0; call < 3; call += 1) {
          assert.ok((await chat(client)).choices[0].message.content);
          answered += 1;
          if (answered === 100) revoked = revoke(keys[0]);
        }
      };
      await Promise.all(Array.from({ length: 200 }, caller));
      await revoked;
      assert.equal(answered, 600);
      const refused = (await emulator.calls(sdk.provider, keys[0]))[401] ?? 0;
      assert.ok(refused > 0 && refused <= 209, `${refused} useless calls`);
    });

    scenario('streams already flowing finish', async ({ client, keys, revoke }) => {
      for (const key of keys) await emulator.set(sdk.provider, key, 'slow', { ms: 20 });
      const streams = await Promise.all(Array.from({ length: 5 }, () => stream(client)));
      const readers = streams.map((one) => one[Symbol.asyncIterator]());
      const begun = await Promise.all(readers.map((reader) => reader.next()));
      await revoke(keys[0]);
      const rests = await Promise.all(readers.map(rest));
      rests.forEach((chunks, number) => {
        const whole = [begun[number].value, ...chunks];
        assert.ok(whole.some((chunk) => chunk.choices?.[0]?.finish_reason), 'the stream was cut');
      });
    });

    scenario('all keys revoked', async ({ client, keys, revoke }) => {
      for (const key of keys) await revoke(key);
      const error = await chat(client).then(
        () => assert.fail('an error was due'),
        (refusal) => refusal,
      );
      assert.ok(error instanceof sdk.errors.InternalServerError, `${error}`);
      assert.equal(error.status, 503);
      assert.equal(error.headers.get('x-keywright-cause'), 'invalid_key');
      const said = `${error.message} ${JSON.stringify(error.error)}`;
      assert.match(said, /invalid_key/);
      for (const key of keys) {
        assert.ok(said.includes(key.slice(-4)), 'each key is named by its mask');
        assert.ok(!said.includes(key), 'no key is shown');
      }
    });

    test('a rotated key is picked up', async () => {
      const [old, fresh] = [await emulator.key(sdk.provider), await emulator.key(sdk.provider)];
      const token = newToken();
      const gateway = await Gateway.launch(emulator, {
        provider: sdk.provider,
        references: ['dotenv://.env#THE_KEY'],
        files: { '.env': `THE_KEY=${old}\n` },
        token,
      });
      try {
        const client = clientOf(gateway, token);
        await chat(client);
        await writeFile(path.join(gateway.folder, '.env'), `THE_KEY=${fresh}\n`);
        await emulator.set(sdk.provider, old, 'revoked');
        assert.ok((await chat(client)).choices[0].message.content);
        assert.ok((await emulator.calls(sdk.provider, fresh))[200] >= 1);
      } finally {
        await gateway.stop();
      }
    });

    if (sdk.provider === 'openai') {
      scenario('assistants', async ({ client }) => {
        await emulator.settings({ assistants: 'live' });
        try {
          const { beta } = client;
          const assistant = await beta.assistants.create({ model: sdk.model, instructions: 'Be brief.' });
          const thread = await beta.threads.create();
          await beta.threads.messages.create(thread.id, { role: 'user', content: 'Say hello.' });
          const run = beta.threads.runs.stream(thread.id, { assistant_id: assistant.id });
          const events = await all(run);
          assert.ok(events.some(({ event }) => event === 'thread.run.completed'));
          const said = await beta.threads.messages.list(thread.id);
          assert.deepEqual(new Set(said.data.map(({ role }) => role)), new Set(['user', 'assistant']));
        } finally {
          await emulator.settings({ assistants: 'gone' });
        }
      });
    }
  });
}

async function all(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

async function rest(iterator) {
  const items = [];
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) items.push(next.value);
  return items;
}

function text(chunks) {
  return chunks.map((chunk) => chunk.choices?.[0]?.delta?.content ?? '').join('');
}
