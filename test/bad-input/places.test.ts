/** Places that models come from and go to: paths, servers, disks, and models larger than a machine addresses. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync, closeSync, copyFileSync, cpSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, readFileSync,
  readdirSync, symlinkSync, writeSync,
} from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestedRange, serveHttp } from '../http-server.ts';
import type { ByteRange, TestServer } from '../http-server.ts';
import { ggufBytes, text, u32 } from '../model-bytes.ts';
import { describeRefusals, goldenPath, runInChild, temporaryFolder } from './refusals.ts';
import type { BadCase } from './refusals.ts';
import { tinyModel } from './tiny-model.ts';

const folder = temporaryFolder();
const loadCase = (
  name: string, path: string, message: RegExp, error: BadCase['error'] = 'InputError',
): BadCase => ({ name, action: 'load', args: { path }, error, message, names: path });

function unreadable(): BadCase[] {
  const tiny = folder.write('tiny.gguf', tinyModel());
  mkdirSync(join(folder.path, 'empty'));
  mkdirSync(join(folder.path, 'two'));
  copyFileSync(tiny, join(folder.path, 'two', 'a.gguf'));
  copyFileSync(tiny, join(folder.path, 'two', 'b.gguf'));
  folder.write('only-config/config.json', readFileSync(join(goldenPath, 'config.json')));
  symlinkSync(join(folder.path, 'loop.gguf'), join(folder.path, 'loop.gguf'));
  symlinkSync(join(folder.path, 'gone.gguf'), join(folder.path, 'dangling.gguf'));
  return [
    loadCase('a path that is not there', join(folder.path, 'absent.gguf'), /no such file or directory/),
    loadCase('a path below a file', join(tiny, 'x.gguf'), /a part of the path is a file/),
    loadCase('a path of 5,000 characters', join(folder.path, 'x'.repeat(5000)).slice(0, 1500), /too long/),
    loadCase('a link to itself', join(folder.path, 'loop.gguf'), /lead in a circle/),
    loadCase('a link to nothing', join(folder.path, 'dangling.gguf'), /no such file or directory/),
    loadCase('a folder without a model', join(folder.path, 'empty'), /holds no model/, 'FormatError'),
    loadCase('a folder of two models', join(folder.path, 'two'), /2 GGUF models \(a\.gguf, b\.gguf\)/),
    loadCase('a folder without weights', join(folder.path, 'only-config'), /neither model\.safetensors nor/, 'FormatError'),
    ...(process.platform === 'win32' ? [] : [loadCase('a device', '/dev/zero', /not a regular file|not a model file/)]),
  ];
}

describeRefusals('paths that cannot be read', 'cpu', unreadable);

describe.skipIf(process.platform === 'win32')('a named pipe', () => {
  describeRefusals('in place of a file', 'cpu', () => {
    const pipe = join(folder.path, 'pipe.gguf');
    if (process.platform !== 'win32') execFileSync('mkfifo', [pipe]);
    return [loadCase('nobody writes to', pipe, /not a regular file/)];
  });
});

const isRoot = process.getuid?.() === 0;
describe.skipIf(isRoot || process.platform === 'win32')('permissions (root may read all)', () => {
  describeRefusals('that are missing', 'cpu', () => {
    const locked = folder.write('locked.gguf', tinyModel());
    chmodSync(locked, 0);
    return [loadCase('of a file', locked, /may not be read by this user/)];
  });
});

describe('servers', () => {
  let server: TestServer;
  let origin: string;
  const bytes = tinyModel();
  const answers: Record<string, (response: ServerResponse, range: ByteRange) => void> = {
    'absent.gguf': (response) => response.writeHead(404).end(),
    'failing.gguf': (response) => response.writeHead(500).end('no'),
    'page.gguf': (response) => response.setHeader('content-type', 'text/html').end('<!doctype html>Sign in'),
    'lying.gguf': (response) => response.writeHead(206, { 'content-range': 'bytes 0-99/9007199254740993' }).end(bytes.subarray(0, 100)),
    'other.gguf': (response) => response.writeHead(206, { 'content-range': `bytes 7-99/${bytes.length}` }).end(bytes.subarray(7, 100)),
    'cut.gguf': (response, { start, end }) => {
      response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}`, 'content-length': end - start });
      response.write(bytes.subarray(start, start + 50), () => response.destroy());
    },
    'endless.gguf': (response, { start, end }) => {
      response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` });
      const chunk = Buffer.alloc(1 << 16);
      const more = () => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    },
    'loop.gguf': (response) => response.writeHead(302, { location: '/loop.gguf' }).end(),
  };
  const cases: [string, RegExp, BadCase['error']][] = [
    ['page.gguf', /has no file "page\.gguf" \(.*page of HTML in place of the file \(status 200\)\)/, 'FormatError'],
    ['absent.gguf', /no file "absent\.gguf"|no such file/, 'FormatError'],
    ['failing.gguf', /500/, 'InputError'],
    ['lying.gguf', /Content-Range|bytes/i, 'InputError'],
    ['other.gguf', /asked for/, 'InputError'],
    ['cut.gguf', /cut|ended|closed|broke|reached/, 'FormatError'],
    ['endless.gguf', /asked for|more|bytes/, 'FormatError'],
    ['loop.gguf', /reached|redirect/, 'InputError'],
  ];
  let report: Awaited<ReturnType<typeof runInChild>>;

  beforeAll(async () => {
    server = await serveHttp((request, response) => {
      const answer = answers[(request.url ?? '').slice(1)];
      if (answer) answer(response, requestedRange(request, bytes.length));
      else response.writeHead(404).end();
    });
    origin = server.origin;
    const refused = loadCase('refused', 'http://127.0.0.1:9/model.gguf', /reached/);
    report = await runInChild(
      [...cases.map(([file, message, error]) => loadCase(file, `${origin}/${file}`, message, error)), refused], 'cpu',
    );
  });
  afterAll(() => server.close());

  it.each(cases)('%s', (file, message, error) => {
    const found = report.cases.get(file);
    expect(found?.error).toMatchObject({ name: error, message: expect.stringMatching(message) as string });
    expect(found!.error!.message).toContain(origin);
    expect(found!.cpuMs).toBeLessThan(10_000);
    expect(found!.peakGrowthBytes).toBeLessThan(200e6);
  });

  it('a port nobody listens on, and the child is sound after all of them', () => {
    expect(report.cases.get('refused')?.error).toMatchObject({
      name: 'InputError', message: expect.stringContaining('127.0.0.1:9') as string,
    });
    expect(report).toMatchObject({ stuckIn: undefined, code: 0, signal: null, stderr: '' });
    expect(report.last!.after).toEqual(report.last!.before);
  });
});

function truncated(device: 'cpu' | 'reference'): BadCase[] {
  const bytes = tinyModel();
  return (['truncateOpen', 'truncateLoading'] as const).flatMap((action) => {
    const gguf = folder.write(`${action}-${device}.gguf`, bytes);
    const directory = join(folder.path, `${action}-${device}`);
    cpSync(goldenPath, directory, { recursive: true });
    const safetensors = join(directory, 'model.safetensors');
    return [
      {
        name: `${action} a GGUF file`, action, args: { path: gguf, file: gguf, keepBytes: bytes.length - 10_000 },
        error: 'FormatError', message: /ended early/, names: gguf,
      },
      {
        name: `${action} safetensors`, action, args: { path: directory, file: safetensors, keepBytes: 100_000 },
        error: 'FormatError', message: /ended early/, names: safetensors,
      },
    ] as const;
  });
}
for (const device of ['cpu', 'reference'] as const) describeRefusals('files that end while they are read', device, () => truncated(device));

const convertScript = fileURLToPath(new URL('./convert-child.mjs', import.meta.url));

describe.skipIf(process.platform === 'win32')('a disk that ends early', () => {
  function convertUnder(prefix: string, out: string) {
    const command = `${prefix} exec "$0" "$@"`;
    return spawnSync('/bin/sh', ['-c', command, process.execPath, convertScript, goldenPath, out], { encoding: 'utf8', timeout: 60_000 });
  }

  it('ends a conversion with a sentence, leaves no file, and the process goes on', () => {
    const target = mkdtempSync(join(folder.path, 'full-'));
    // Files of at most 64 blocks of 512 or 1,024 bytes; the model needs several times that.
    const { status, signal, stdout, stderr } = convertUnder('ulimit -f 64;', join(target, 'out.gguf'));
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      name: 'CapacityError',
      message: expect.stringMatching(/Cannot write .*out\.gguf: .*limit.*Nothing was kept/) as string, goesOn: true,
    });
    expect(readdirSync(target)).toEqual([]);
  });

  it.skipIf(process.platform !== 'linux')('ends a conversion to a device that is always full', () => {
    const { status, signal, stdout, stderr } = convertUnder('', '/dev/full');
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      name: 'CapacityError', message: expect.stringContaining('the disk is full') as string, goesOn: true,
    });
  });
});

/** A sound header for weights of about 6 GB in f16, in a sparse file that takes no disk. */
function hugeModel(fileName: string, dim: number): string {
  const [vocab, ffn] = [1000, 4 * dim];
  const shapes: [string, number[], number][] = [
    ['token_embd.weight', [vocab, dim], 1],
    ['blk.0.attn_norm.weight', [dim], 0],
    ['blk.0.attn_q.weight', [dim, dim], 1],
    ['blk.0.attn_k.weight', [dim, dim], 1],
    ['blk.0.attn_v.weight', [dim, dim], 1],
    ['blk.0.attn_output.weight', [dim, dim], 1],
    ['blk.0.ffn_norm.weight', [dim], 0],
    ['blk.0.ffn_gate.weight', [ffn, dim], 1],
    ['blk.0.ffn_up.weight', [ffn, dim], 1],
    ['blk.0.ffn_down.weight', [dim, ffn], 1],
    ['output_norm.weight', [dim], 0],
  ];
  let offset = 0;
  const tensors = shapes.map(([name, shape, typeId]) => {
    const entry = { name, dims: shape.toReversed(), typeId, offset };
    offset += Math.ceil((shape.reduce((a, b) => a * b, 1) * (typeId === 0 ? 4 : 2)) / 32) * 32;
    return entry;
  });
  const counts = {
    embedding_length: dim, block_count: 1, feed_forward_length: ffn, 'attention.head_count': dim / 128,
    context_length: 4096,
  };
  const metadata = [
    ['general.architecture', text('llama')],
    ...Object.entries(counts).map(([key, value]) => [`llama.${key}`, u32(value)]),
  ] as never;
  const header = ggufBytes({ metadata, tensors });
  const path = folder.write(fileName, '');
  const file = openSync(path, 'w');
  writeSync(file, header);
  ftruncateSync(file, header.length + offset);
  closeSync(file);
  return path;
}

describe.skipIf(process.platform === 'win32')('models that are too large (sparse files)', () => {
  const words = /needs [\d,]+ MB on the CPU \(weights [\d,]+ MB.*WebAssembly addresses 4,295 MB.*smaller model/;
  const message = new RegExp(`${words.source}.*quantisation of it (that )?fits`);
  describeRefusals('for WebAssembly', 'cpu', () => [
    { name: '6 GB of weights', action: 'load', args: { path: hugeModel('six.gguf', 13_824) }, error: 'CapacityError', message },
    { name: '400 GB of weights', action: 'load', args: { path: hugeModel('hundreds.gguf', 112_640) }, error: 'CapacityError', message },
  ]);
  describeRefusals('for an array', 'reference', () => [
    {
      name: '400 GB of weights in the reference', action: 'load',
      args: { path: hugeModel('hundreds-reference.gguf', 112_640) }, error: 'CapacityError', message: /memory/,
    },
  ]);
});
