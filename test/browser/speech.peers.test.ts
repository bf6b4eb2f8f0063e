/** Models that hear and speak in Chromium: what they give in Node, they give in a page. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { joinSamples } from '../../src/audio/audio-stream.ts';
import { openAudio } from '../../src/audio/open-audio.ts';
import type { TalkOutput } from '../../src/engine/talk/talk.ts';
import type { Sound } from '../../src/engine/speech/mono-sound.ts';
import type { SpokenPiece } from '../../src/engine/speech/voice-model.ts';
import type { TranscribeOptions } from '../../src/engine/speech/transcribe-options.ts';
import { fileSource } from '../../src/node/file-source.ts';
import { loadSpeechModel } from '../../src/node/load-speech-model.ts';
import { loadTalkModel } from '../../src/node/load-talk-model.ts';
import { loadVoiceModel } from '../../src/node/load-voice-model.ts';
import { hasShared, sharedPath } from '../fixture-tensors.ts';
import { repoRoot } from '../house/repository.ts';
import type { TestServer } from '../http-server.ts';
import { KOKORO_GOLDEN } from '../kokoro-golden.ts';
import { makeVoiceFolder } from '../kokoro-voice.ts';
import { LFM2_AUDIO_GOLDEN } from '../lfm2-audio-golden.ts';
import { parakeetFolder } from '../parakeet-folder.ts';
import { madeTokens, madeWhisper } from '../whisper-ggml-file.ts';
import { callIn, hasChromium, launchChromium } from './chromium.ts';
import type { Browser, Page } from './chromium.ts';
import { ISOLATED, sendFile, serveStatic } from './isolated-server.ts';
import { withLongTasks } from './long-tasks.ts';

const FILES = [
  'real/moonshine/model.safetensors',
  'vocab/llama-spm.gguf',
  'golden/parakeet_tdt/golden.json',
  LFM2_AUDIO_GOLDEN,
  KOKORO_GOLDEN,
];
const isHere = hasChromium && FILES.every(hasShared);
const SPEECH = `${sharedPath}/real/moonshine/speech-60s.wav`;
const CPU = { device: 'cpu', threads: 2 } as const;

interface Hearing {
  /** Below the page's own server, and as a path for Node. */
  readonly place: string;
  readonly seconds: number;
  readonly tokenizer?: string;
  readonly transcribe: TranscribeOptions;
}

/** Models, by what is mounted below the page's server. */
const HEARING: Readonly<Record<string, Hearing>> = {
  Moonshine: { place: 'moonshine/', seconds: 4, tokenizer: 'vocab/llama-spm.gguf', transcribe: {} },
  Parakeet: { place: 'parakeet/', seconds: 3, transcribe: {} },
  Whisper: { place: 'whisper/ggml-tiny.en.bin', seconds: 2.5, transcribe: { temperatures: [0] } },
};

/** A tokenizer of 163 characters, other ids than their own, of which the small model's answers are long. */
function letterTokenizerFile(): object {
  const letterOf = (id: number) => String.fromCodePoint(id === 10 || (id >= 32 && id < 127) ? id : 0x100 + id);
  const vocab = Object.fromEntries(Array.from({ length: 163 }, (_, id) => [letterOf(id), (id + 11) % 163]));
  const plain = { version: '1.0', added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null };
  return { ...plain, decoder: { type: 'Fuse' }, model: { type: 'BPE', vocab, merges: [], unk_token: null } };
}

async function firstSeconds(seconds: number): Promise<Sound> {
  const parts: Float32Array[] = [];
  for await (const chunk of (await openAudio(await fileSource(SPEECH))).chunks) parts.push(chunk.slice());
  return { samples: joinSamples(parts).slice(0, seconds * 16_000), sampleRate: 16_000 };
}

describe.skipIf(!isHere)('speech in Chromium', () => {
  let server: TestServer;
  let browser: Browser;
  let page: Page;
  const mounts = new Map<string, string>();
  const own = mkdtempSync(join(tmpdir(), 'ingot-speech-'));

  beforeAll(async () => {
    execFileSync(process.execPath, [join(repoRoot, 'scripts', 'build.mjs')], { stdio: 'pipe' });
    const tokens = madeTokens(50_256);
    writeFileSync(
      join(own, 'ggml-tiny.en.bin'),
      madeWhisper({ dim: 16, vocabSize: 51_864, positions: 50, bands: 8, type: 'f16', tokens }),
    );
    writeFileSync(join(own, 'letters.json'), JSON.stringify(letterTokenizerFile()));
    mounts.set('moonshine', `${sharedPath}/real/moonshine`).set('vocab', `${sharedPath}/vocab`).set('whisper', own);
    mounts.set('parakeet', parakeetFolder('parakeet_tdt')).set('talk', `${sharedPath}/golden/lfm2_audio`);
    mounts.set('voice', makeVoiceFolder(join(own, 'voice'))).set('espeak', join(repoRoot, 'peers/node_modules/espeak-ng/dist'));
    server = await serveStatic(ISOLATED, (request, response) => {
      const path = pathOf(decodeURIComponent(request.url ?? '/').slice(1));
      if (path !== undefined) sendFile(path, request, response);
      return path !== undefined;
    });
    browser = await launchChromium();
    page = await browser.newPage();
    await page.goto(server.origin);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    for (const folder of [own, mounts.get('parakeet')]) if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  /** The path of what the server has at an address. */
  function pathOf(address: string): string | undefined {
    const [mount, ...rest] = address.split('/');
    const folder = mounts.get(mount!);
    return folder && join(folder, ...rest);
  }
  const call = (name: string, task: object) => callIn(page, '/test/browser/in-page-speech.mjs', name, task);

  it('a model hears what it hears in Node, of samples and of what comes', async () => checkHearing('Parakeet'));
  it.each(['Moonshine', 'Whisper'])('so does %s', { tags: ['slow'] }, async (name) => checkHearing(name));

  async function checkHearing(name: string): Promise<void> {
    const { place, seconds, tokenizer, transcribe } = HEARING[name]!;
    const inNode = await loadSpeechModel(pathOf(place)!, { ...CPU, tokenizer: tokenizer && pathOf(tokenizer) });
    const { text } = await inNode.transcribe(await firstSeconds(seconds), transcribe);
    await inNode.dispose();
    const soundUrl = '/moonshine/speech-60s.wav';
    const options = { ...CPU, cache: 'none', tokenizer: tokenizer && `/${tokenizer}` };
    const heard = await withLongTasks(browser, () => call('hear', { source: `/${place}`, options, soundUrl, seconds, transcribe }));
    expect(heard).toMatchObject({
      text,
      isClosed: true,
      isSameReason: true,
      leftClosed: true,
      all: [text, text],
      longTasks: [],
      taken: Math.ceil((seconds * 16_000) / 5000),
      over: 'InputError: The model was disposed of: load it again.',
      runsOn: { device: 'cpu', threads: 2 },
    });
    expect(heard.segments.join(' ')).toBe(text);
    expect(heard.phases).toContain('load');
    if (name === 'Moonshine') expect(text).toMatch(/\w+ \w+/);
    if (name !== 'Whisper') expect(heard.heard.length).toBeGreaterThan(0);
  }

  it('a voice speaks what it speaks in Node, of a folder and of files that were dropped', async () => {
    const what = { phonemes: 'həlˈO wˈʌld.' };
    const asked = { what, options: { voice: 'af_heart:3,af_bella', seed: 7 } };
    const inNode = await loadVoiceModel(pathOf('voice')!, { ...CPU, mostFrames: 90 });
    const wanted: SpokenPiece[] = [];
    for await (const piece of inNode.speak(what, asked.options)) wanted.push(piece);
    await inNode.dispose();
    const names = ['config.json', 'model.safetensors', 'voices/af_heart.safetensors', 'voices/af_bella.bin'];
    const files = Object.fromEntries(names.map((name) => [name, `/voice/${name}`]));
    for (const found of await call('speak', { files, options: { ...CPU, mostFrames: 90 }, asked })) {
      expect(found).toMatchObject({ voices: ['af_bella', 'af_heart'], sampleRate: 24_000 });
      expect(found.refused).toMatch(/^CapacityError: A text becomes phonemes by espeak-ng, .* espeak: \{ program, module \}/);
      expect(found.pieces.map(({ text }: SpokenPiece) => text)).toEqual(wanted.map(({ text }) => text));
      found.pieces.forEach(({ samples }: SpokenPiece, i: number) => expect(Float32Array.from(samples)).toEqual(wanted[i]!.samples));
    }
  });

  it('a text is spoken by phonemes that the page makes, and by espeak-ng', { tags: ['slow'] }, async () => {
    const espeak = { program: '/espeak/espeak-ng.js', module: '/espeak/espeak-ng.wasm' };
    const task = {
      source: '/voice/',
      options: { ...CPU, mostFrames: 90, cache: 'none' },
      text: 'It is five.',
      voice: 'af_heart',
      espeak,
    };
    const [byPage, byEspeak] = await call('speakText', task);
    expect(byPage.phonemes.join(' ')).toMatch(/^it is five?\.?/);
    expect(byEspeak.phonemes.join(' ')).toMatch(/ɪ/);
    for (const { length } of [byPage, byEspeak]) expect(length).toBeGreaterThan(2000);
  });

  it('a model that is talked with answers as in Node', { tags: ['slow'] }, async () => {
    const room = { contextLength: 256, mostSeconds: 2 };
    const inNode = await loadTalkModel(pathOf('talk')!, { ...CPU, ...room, tokenizer: join(own, 'letters.json') });
    const sound = { samples: Float32Array.from({ length: 8000 }, (_, t) => 0.3 * Math.sin(t / 9)), sampleRate: 16_000 };
    const wanted = { text: '', samples: [] as number[] };
    for await (const output of inNode.talk({ sound }, { maxTokens: 12, seed: 3 }) as AsyncIterable<TalkOutput>) {
      if (output.kind === 'text') wanted.text += output.text;
      if (output.kind === 'samples') wanted.samples.push(...output.samples);
    }
    await inNode.dispose();
    const found = await call('talk', {
      source: '/talk/',
      options: { ...CPU, ...room, cache: 'none', tokenizer: '/whisper/letters.json' },
    });
    expect(found.once).toEqual(wanted);
    expect(found.opened).toEqual(wanted);
    expect(wanted.samples.length).toBeGreaterThan(0);
    expect(found.length).toBeGreaterThan(12);
    expect(found.over).toMatch(/not there any more/);
  });

  it('the browser decodes what it plays', async () => {
    const names = ['mono.mp3', 'stereo.flac', 'mono-opus.ogg', 'three-pcm_16-wav.wav'];
    const urls = [...names.map((name) => `/test/fixtures/sounds/${name}`), '/test/fixtures/sounds/absent.wav'];
    const found = await call('decode', urls);
    expect(found.slice(0, names.length)).toEqual(names.map(() => expect.any(Number)));
    expect(found.at(-1)).toMatch(/^FormatError: the sound is no sound that this browser can decode/);
  });
});
