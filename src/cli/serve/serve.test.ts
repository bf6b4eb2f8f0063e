import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { request } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { eventsOf, post } from '../../../test/server-rig.ts';
import { bundledModelPath } from '../../node/package-root.ts';
import { listen } from './listen.ts';
import { readTls } from './read-tls.ts';
import { SETTING_NAMES } from './settings.ts';

const main = new URL('../../../dist/cli/main.js', import.meta.url).pathname;
const quick = ['--device', 'cpu', '--threads', '1', '--context', '512'];

let folder = '';
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-serve-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function ingot(args: readonly string[], variables: Record<string, string> = {}) {
  const env = { ...process.env, INGOT_MODEL: '', NO_COLOR: '', INGOT_HOME: join(folder, 'home'), ...variables };
  return spawnSync(process.execPath, [main, 'serve', ...args], { encoding: 'utf8', env, timeout: 60_000, killSignal: 'SIGKILL' });
}

/** A server in a process of its own, once it takes requests. */
async function started(args: readonly string[]) {
  const env = { ...process.env, INGOT_HOME: join(folder, 'home') };
  const child = spawn(process.execPath, [main, 'serve', '--port', '0', ...quick, ...args], { stdio: ['ignore', 'ignore', 'pipe'], env });
  const over = once(child, 'close') as Promise<[number | null]>;
  let stderr = '';
  const origin = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      const [, found] = /serving .* at (\S+)\/v1/.exec(stderr) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.on('close', () => reject(new Error(stderr)));
  });
  return {
    origin,
    stderr: () => stderr,
    /** @returns the exit code */
    async stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM') {
      child.kill(signal);
      return (await over)[0];
    },
  };
}

describe.skipIf(!existsSync(main))('ingot serve: settings', () => {
  const printed = (args: readonly string[], variables?: Record<string, string>) =>
    JSON.parse(ingot([...args, '--print-config'], variables).stdout);

  it('come from the config file, then variables, then flags', () => {
    const file = join(folder, 'serve.json');
    const models = ['m/small.gguf', { name: 'b', path: '/x' }];
    writeFileSync(file, JSON.stringify({ models, port: 1, host: '::1', threads: 3, logRequests: false }));
    expect(printed([])).toMatchObject({ port: 8080, host: '127.0.0.1', logRequests: true });
    expect(printed([])).not.toHaveProperty('threads');
    const variables = { INGOT_SERVE_CONFIG: file, INGOT_SERVE_PORT: '2', INGOT_SERVE_ALLOWED_HOSTS: 'a, b', INGOT_SERVE_THREADS: '4' };
    expect(printed(['--threads', '5'], variables)).toMatchObject({
      port: 2, host: '::1', threads: 5, allowedHosts: ['a', 'b'], logRequests: false,
      models: [{ name: 'small', path: join(folder, 'm/small.gguf') }, { name: 'b', path: '/x' }],
    });
    expect(printed(['c=/y/z.gguf', 'https://example.com/q/w.gguf'], variables).models).toEqual([
      { name: 'c', path: '/y/z.gguf' }, { name: 'w', path: 'https://example.com/q/w.gguf' },
    ]);
  });

  it('takes ids of the hub for models in a config file too, where no file or folder is called so', () => {
    const file = join(folder, 'ids.json');
    mkdirSync(join(folder, 'mine'), { recursive: true });
    writeFileSync(file, JSON.stringify({ models: ['qwen3:4b', 'Qwen/Qwen3-4B-GGUF:Q8_0', 'mine/model', 'no.gguf'] }));
    const paths = (printed(['--config', file]).models as { path: string }[]).map(({ path }) => path);
    expect(paths).toEqual(['qwen3:4b', 'Qwen/Qwen3-4B-GGUF:Q8_0', join(folder, 'mine/model'), join(folder, 'no.gguf')]);
  });

  it('are printed as a config file that says the same, and described by a schema of all', () => {
    const first = printed(['--kv-type', 'q8', '--no-log-requests', '--max-output-tokens', '7']);
    const file = join(folder, 'again.json');
    writeFileSync(file, JSON.stringify(first));
    expect({ ...printed(['--config', file]), $from: {} }).toEqual({ ...first, $from: {} });
    const schema = JSON.parse(ingot(['--print-schema']).stdout);
    expect(Object.keys(schema.properties).toSorted()).toEqual(['$from', '$schema', 'models', ...SETTING_NAMES].toSorted());
    expect(schema.properties.port).toMatchObject({ type: 'integer', minimum: 0, maximum: 65535, default: 8080 });
    const isValid = new Ajv2020({ strict: false }).compile(schema);
    expect([isValid(first), isValid.errors]).toEqual([true, null]);
    expect(ingot(['--help']).stdout.replace(/\s+/g, ' ')).toContain('cannot be written (one of refuse, serve; default: refuse)');
    const wrong = [{ prot: 1 }, { port: '1' }, { models: [{ name: 'a' }] }, { auditFailure: 'ignore' }];
    expect(wrong.filter((one) => isValid(one))).toEqual([]);
    // What the docs publish is what the program says (node dist/cli/main.js serve --print-schema > docs/serve-config.schema.json).
    expect(JSON.parse(readFileSync(new URL('../../../docs/serve-config.schema.json', import.meta.url), 'utf8'))).toEqual(schema);
  });

  it('are printed with where each came from, and without what opens a door', () => {
    const file = join(folder, 'from.json');
    writeFileSync(file, JSON.stringify({ threads: 3, database: 'team.db', auditDays: 5 }));
    const variables = { INGOT_SERVE_CONFIG: file, INGOT_SERVE_AUDIT_DAYS: '6', INGOT_HOME: '/h' };
    const shown = printed(['https://me:hf_token@example.com/q/w.gguf', '--port', '1', '--require-keys'], variables);
    expect(shown).toMatchObject({
      database: join(folder, 'team.db'), auditDays: 6, requireKeys: true,
      models: [{ name: 'w', path: 'https://hidden@example.com/q/w.gguf' }],
      $from: {
        models: 'command line', port: '--port', requireKeys: '--require-keys', threads: file, database: file,
        auditDays: 'INGOT_SERVE_AUDIT_DAYS', host: 'default',
      },
    });
    expect(Object.keys(shown.$from).toSorted()).toEqual(Object.keys(shown).filter((name) => name !== '$from').toSorted());
    expect(JSON.stringify(shown)).not.toContain('hf_token');
    expect(printed([], { INGOT_HOME: '/h' })).toMatchObject({ database: join('/h', 'serve.db'), $from: { database: 'default' } });
    expect(printed(['--database', 'none'])).toMatchObject({ database: 'none' });
  });

  it.each([
    ['{"port": 1, "port": 2}', {}, [], /bad.json has "port" twice in one object/],
    [{ prot: 1 }, {}, [], /"prot", which is no setting. Did you mean "port"/],
    [{ port: '1' }, {}, [], /port in .*: expected an integer from 0 to 65535, found string "1"/],
    [{ device: 'tpu' }, {}, [], /device in .*: device must be auto, gpu, gpu:N/],
    [{ models: [3] }, {}, [], /models\[0\] in .* must be a path/],
    [{ models: [{ path: 'a', nmae: 'b' }] }, {}, [], /models\[0\] in .* has no "nmae"/],
    [undefined, { INGOT_SERVE_PRT: '1' }, [], /INGOT_SERVE_PRT is no setting .* Did you mean "INGOT_SERVE_PORT"/],
    [undefined, { INGOT_SERVE_PORT: '1e3' }, [], /INGOT_SERVE_PORT: expected an integer/],
    [undefined, {}, ['--port', '99999'], /--port.*expected an integer from 0 to 65535/],
    [undefined, {}, ['--kv-type', 'q9'], /--kv-type/],
    [undefined, {}, ['--cors-origins', 'https://a.com,foo'], /--cors-origins.* string "foo" is no origin of web pages/],
    [undefined, {}, ['--allowed-hosts', 'http://x.com:80/'], /--allowed-hosts.* string "http:..x.com:80." is no name of a host/],
    [{ corsOrigins: ['x.com'] }, {}, [], /corsOrigins in .*: string "x.com" is no origin/],
    [undefined, {}, ['--config', ''], /the path of the config file .* is empty/],
    [undefined, {}, ['--config', tmpdir()], /The config file .* is a folder/],
    [undefined, {}, ['--database', 'none', '--audit-prompts'], /--audit-prompts needs a database, and --database none/],
    [undefined, {}, ['--database', 'none', '--require-keys'], /--require-keys needs a database, and --database none/],
    [undefined, {}, ['--tls-cert', 'x'], /both --tls-cert and --tls-key/],
    [undefined, {}, ['a/m.gguf', 'b/m.gguf'], /two models would be called "m"/],
    [undefined, {}, ['--pin', 'b', 'a.gguf'], /--pin names string "b", which is not served: a/],
    [undefined, {}, ['--alias', 'b=c', 'a.gguf'], /--alias names string "c", which is not served: a/],
    [undefined, {}, ['--alias', 'b', 'a.gguf'], /--alias expects a name and a model's name, .* found string "b"/],
    [undefined, {}, ['--alias', 'a=a', 'a.gguf'], /"a" is a model's own name/],
    [undefined, {}, [...quick, '--memory', '14000000', '--database', 'none', '--port', '0'], /does not fit: it needs 0.0\d+ GB/],
    [undefined, {}, ['no-such-model.gguf'], /no-such-model.gguf: there is no such file/],
  ] as const)('%j %j %j is refused by name', (file, variables, args, message) => {
    const path = join(folder, 'bad.json');
    if (file !== undefined) writeFileSync(path, typeof file === 'string' ? file : JSON.stringify(file));
    const { status, stderr } = ingot([...(file === undefined ? [] : ['--config', path]), ...args], variables);
    expect(status).toBeGreaterThan(0);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('    at ');
  });
});

describe.skipIf(!existsSync(main))('ingot serve', () => {
  it('answers, writes a line for each request without what was asked, and lets a stream end before it stops', async () => {
    const many = ['--alias', 'other=ember', '--memory', '2000000000', '--idle-ms', '600000'];
    const server = await started([...many, `ember=${bundledModelPath()}`]);
    expect(await (await fetch(`${server.origin}/`)).text()).toContain('content="server"');
    expect((await (await fetch(`${server.origin}/v1/models/other`)).json() as any)).toMatchObject({ alias_of: 'ember', status: 'loaded' });
    const url = `${server.origin}/v1/chat/completions`;
    const [{ id: model }] = (await (await fetch(`${server.origin}/v1/models`)).json() as any).data;
    const body = { model, messages: [{ role: 'user', content: 'Tell me a story about Zanzibar.' }], max_tokens: 60, temperature: 0 };
    expect((await post(url, { ...body, max_tokens: 2 })).status).toBe(200);
    const stream = await fetch(url, { method: 'POST', body: JSON.stringify({ ...body, stream: true, logit_bias: {} }) });
    const text = stream.text();
    const code = await server.stop();
    expect(eventsOf(await text).at(-1)).toBe('[DONE]');
    expect(code).toBe(0);
    expect(server.stderr()).toMatch(/^req_[0-9a-f]{32} POST \/v1\/chat\/completions 200 done \S+ \d+\+2 tokens \d+ ms$/m);
    expect(server.stderr()).not.toContain('Zanzibar');
  });

  it('tells those who come while it stops, and says on stderr why a model could not be loaded', async () => {
    const link = join(folder, 'gone.gguf');
    symlinkSync(bundledModelPath(), link);
    const server = await started([`ember=${bundledModelPath()}`, `gone=${link}`]);
    rmSync(link);
    const ask = (model: string) => post(`${server.origin}/v1/completions`, { model, prompt: 'a', max_tokens: 1 });
    expect((await ask('gone')).status).toBe(503);
    await vi.waitFor(() => expect(server.stderr()).toMatch(/^req_[0-9a-f]{32} failed: .*gone\.gguf.*no such file/m));
    // A request whose body is yet to come is at work.
    const body = JSON.stringify({ model: 'ember', prompt: 'a', max_tokens: 1 });
    const slow = plainRequest(`${server.origin}/v1/completions`, { method: 'POST', headers: { 'content-length': body.length } });
    const answered = once(slow, 'response');
    slow.write(body.slice(0, 5));
    while (!(await (await fetch(`${server.origin}/metrics`)).text()).match(/^ingot_requests_active 2$/m)) await sleep(20);
    const code = server.stop();
    let ready = await fetch(`${server.origin}/ready`);
    while (ready.status === 200) ready = await fetch(`${server.origin}/ready`);
    expect([ready.status, (await ready.json() as any).error.code]).toEqual([503, 'stopping']);
    expect((await ask('ember')).status).toBe(503);
    slow.end(body.slice(5));
    const [response] = await answered;
    expect(response.statusCode).toBe(200);
    expect(await code).toBe(0);
  });

  it('says what to do where its port is in use', async () => {
    const other = createServer();
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    try {
      const { status, stderr } = ingot(['--port', String(port)]);
      expect(status).toBe(1);
      expect(stderr).toMatch(new RegExp(`port ${port} of 127.0.0.1 is in use, .*stop that .*--port`));
    } finally {
      other.close();
    }
  });

  const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
  it.skipIf(!hasOpenssl)('speaks TLS with a certificate and its key', async () => {
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=localhost'];
    execFileSync('openssl', [...args, '-days', '1', '-keyout', key, '-out', cert], { stdio: 'ignore' });
    const [otherKey, notPem] = [join(folder, 'other-key.pem'), join(folder, 'text.pem')];
    execFileSync('openssl', ['genpkey', '-algorithm', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-out', otherKey]);
    writeFileSync(notPem, 'none');
    const told = (tlsCert: string, tlsKey: string) => () => readTls({ tlsCert, tlsKey });
    expect(told(cert, otherKey)).toThrow(`--tls-key: ${otherKey} is not the key of --tls-cert, ${cert}.`);
    expect(told(notPem, key)).toThrow(`--tls-cert: ${notPem} holds no certificate (PEM).`);
    expect(told(cert, notPem)).toThrow(`--tls-key: ${notPem} holds no private key (PEM)`);
    expect(told(join(folder, 'none.pem'), key)).toThrow('none.pem cannot be read');
    expect(told(folder, key)).toThrow(/--tls-cert: .* cannot be read/);
    const tls = readTls({ tlsCert: cert, tlsKey: key })!;
    const listener = await listen({ host: '127.0.0.1', port: 0, tls, fetch: async () => new Response('here') });
    try {
      expect(listener.origin).toMatch(/^https:/);
      const text = await new Promise((resolve, reject) => {
        request(listener.origin, { ca: tls.cert, servername: 'localhost', agent: false }, (response) => {
          response.setEncoding('utf8').on('data', resolve);
        }).on('error', reject).end();
      });
      expect(text).toBe('here');
    } finally {
      listener.destroy();
      await listener.close();
    }
  });
});

it('a client that reads slowly is not written ahead of', async () => {
  let made = 0;
  const body = () => new ReadableStream<Uint8Array>({
    pull(controller) {
      made++;
      controller.enqueue(new Uint8Array(100_000));
    },
  });
  const listener = await listen({ host: '127.0.0.1', port: 0, fetch: async () => new Response(body()) });
  try {
    const response = await fetch(listener.origin);
    await new Promise((resolve) => setTimeout(resolve, 300));
    // What sockets of both sides hold is megabytes; without a bound it would be gigabytes by now.
    expect(made).toBeLessThan(200);
    await response.body!.cancel();
  } finally {
    listener.destroy();
    await listener.close();
  }
});
