// Starts the emulator and the gateway as a user does, and stops them. The Python harness says why each thing is so.

import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const KEYWRIGHT = process.env.KEYWRIGHT ?? path.join(ROOT, 'target/debug/keywright');
const PACKAGES = process.env.KEYWRIGHT_NODE_PACKAGES ?? path.join(ROOT, 'target/test-env/node');

/** Loads a package from where the chore installed it. */
export const load = createRequire(path.join(PACKAGES, 'package.json'));

/** The installed version of a package. */
export function versionOf(name) {
  return JSON.parse(readFileSync(path.join(PACKAGES, 'node_modules', name, 'package.json'), 'utf8')).version;
}

/** A `keywright` command that runs until it is stopped. */
class Program {
  constructor(process_) {
    this.process = process_;
    this.ended = new Promise((resolve) => process_.once('exit', resolve));
  }

  static async start(args, { env = {}, cwd } = {}) {
    const { PATH, HOME } = process.env;
    const child = spawn(KEYWRIGHT, args, { env: { PATH, HOME, ...env }, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const program = new this(child);
    program.url = await new Promise((resolve, reject) => {
      let printed = '';
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          printed += `${line}\n`;
          const found = /"listen": ?"(?:http:\/\/)?(127\.0\.0\.1:\d+)/.exec(line);
          if (found) resolve(`http://${found[1]}`);
        });
      }
      program.ended.then((code) => reject(new Error(`ended with ${code}\n${printed}`)));
    });
    return program;
  }

  async stop() {
    this.process.kill('SIGTERM');
    await this.ended;
  }
}

export class Emulator extends Program {
  static launch() {
    return this.start(['emulate', '--listen', '127.0.0.1:0', '--json']);
  }

  async key(provider, state = 'valid', options = {}) {
    const key = newKey(provider);
    await this.set(provider, key, state, options);
    return key;
  }

  set(provider, key, state, options = {}) {
    return this.control('PUT', `/keys/${provider}/${encodeURIComponent(key)}`, { state, ...options });
  }

  async calls(provider, key) {
    const { calls } = await this.control('GET', `/calls/${provider}/${encodeURIComponent(key)}`);
    const counts = {};
    for (const row of calls) counts[row.status] = (counts[row.status] ?? 0) + row.calls;
    return counts;
  }

  settings(change) {
    return this.control('PUT', '/settings', change);
  }

  async control(method, where, body) {
    const answer = await fetch(`${this.url}/_control${where}`, { method, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${where}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }
}

/** `keywright serve` in a folder of its own. */
export class Gateway extends Program {
  static async launch(emulator, { provider, keys = [], references, token, files = {} }) {
    const folder = await mkdtemp(path.join(tmpdir(), 'keywright-test-'));
    const env = Object.fromEntries(keys.map((key, number) => [`KEY_${number}`, key]));
    const named = references ?? Object.keys(env).map((name) => `env://${name}`);
    const text = [
      '[gateway]',
      'listen = "127.0.0.1:0"',
      '[[provider]]',
      `id = "${provider}"`,
      `base_url = "${emulator.url}/${provider}"`,
      `keys = ${JSON.stringify(named)}`,
      '[[virtual_key]]',
      'name = "app"',
      `sha256 = "${createHash('sha256').update(token).digest('hex')}"`,
    ];
    for (const [name, content] of Object.entries({ ...files, 'keywright.toml': `${text.join('\n')}\n` })) {
      await writeFile(path.join(folder, name), content, { mode: 0o600 });
    }
    const gateway = await this.start(['serve', '--config', 'keywright.toml', '--json'], { env, cwd: folder });
    gateway.folder = folder;
    return gateway;
  }

  async stop() {
    await super.stop();
    await rm(this.folder, { recursive: true });
  }
}

/** A key of the provider's shape that no other test has. */
export function newKey(provider) {
  const body = randomBytes(74).toString('hex');
  switch (provider) {
    case 'openai':
      return `sk-proj-${body.slice(0, 74)}T3BlbkFJ${body.slice(74)}`;
    case 'together':
      return `tgp_v1_${body.slice(0, 43)}`;
    default:
      throw new Error(`no shape for ${provider}`);
  }
}

/** A virtual key, made as `keywright` makes one. */
export function newToken() {
  const payload = `sk-kwt-${base32(randomBytes(25))}`;
  return payload + base32(createHash('sha256').update(payload).digest().subarray(0, 5)).slice(0, 6);
}

function base32(bytes) {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
  let number = BigInt(`0x${bytes.toString('hex')}`);
  let text = '';
  for (let digit = 0; digit < (bytes.length * 8) / 5; digit += 1) {
    text = alphabet[Number(number & 31n)] + text;
    number >>= 5n;
  }
  return text;
}
