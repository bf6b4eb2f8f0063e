/** Cascades of real models: espeak-ng's speech is heard, answered and spoken; and an interruption, by a real detector of voices. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { fixturesPath, hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { KOKORO_GOLDEN } from '../../test/kokoro-golden.ts';
import { makeVoiceFolder } from '../../test/kokoro-voice.ts';
import { scriptedEars, scriptedModel, scriptedVoice } from '../../test/scripted-cascade.ts';
import { simulatedPlayer } from '../../test/simulated-player.ts';
import { openAudio } from '../audio/open-audio.ts';
import { createCascade } from '../engine/talk/cascade/cascade.ts';
import type { TalkInput, TalkSessionEvent } from '../engine/talk/live/talker.ts';
import { monoSound } from '../engine/speech/mono-sound.ts';
import { memorySource } from '../files/memory-source.ts';
import { joinSamples } from '../audio/audio-stream.ts';
import { espeakSound } from './espeak-phonemizer.ts';
import { loadTalker } from './load-talker.ts';
import { loadVoiceDetector } from './load-voice-detector.ts';
import { bundledDetectorPath, bundledModelPath } from './package-root.ts';

const espeak = process.env['INGOT_ESPEAK'] ?? fileURLToPath(new URL('../../peers/node_modules/espeak-ng', import.meta.url));
const hasModels = hasShared('real/moonshine/model.safetensors') && hasShared('vocab/llama-spm.gguf') && hasShared(KOKORO_GOLDEN);
const RATE = 16_000;

/** Without the silence around it. */
async function spokenBy(sentence: string): Promise<Float32Array> {
  const sound = await openAudio(memorySource(await espeakSound(sentence, 'en-us'), 'espeak.wav'));
  const parts: Float32Array[] = [];
  for await (const piece of monoSound(sound, RATE).pieces) parts.push(piece.slice());
  const samples = joinSamples(parts);
  const isLoud = (sample: number): boolean => Math.abs(sample) > 0.01;
  return samples.slice(samples.findIndex(isLoud), samples.findLastIndex(isLoud) + 1);
}

describe.skipIf(!existsSync(espeak))('a cascade', () => {
  beforeAll(() => void (process.env['INGOT_ESPEAK'] = espeak));

  test.skipIf(!hasModels)('hears espeak-ng by Moonshine, answers by ember and speaks by Kokoro', { timeout: 120_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ingot-talker-'));
    const talker = await loadTalker(
      { ears: `${sharedPath}/real/moonshine`, model: bundledModelPath(), voice: makeVoiceFolder(folder) },
      { device: 'cpu', threads: 1, tokenizer: `${sharedPath}/vocab/llama-spm.gguf` },
    );
    try {
      const said = await spokenBy('We went to the market and bought some fresh bread.');
      const input = async function* (): AsyncGenerator<TalkInput> {
        yield { samples: new Float32Array(8000), sampleRate: RATE };
        for (let at = 0; at < said.length; at += 1600) yield { samples: said.subarray(at, at + 1600), sampleRate: RATE };
        yield { samples: new Float32Array(16_000), sampleRate: RATE };
        yield { text: 'Who are you?' };
      };
      const events: TalkSessionEvent[] = [];
      for await (const event of talker.talk(input(), { maxTokens: 24, temperature: 0, speed: 2 })) events.push(event);
      const heard = events.flatMap((event) => (event.kind === 'input-text' && event.isFinal ? [event.text] : []));
      expect(heard).toEqual([expect.stringMatching(/market and bought some fresh bread/)]);
      const answers = events.flatMap((event) => (event.kind === 'answer-done' ? [event] : []));
      expect(answers.map(({ status }) => status)).toEqual([expect.stringMatching(/completed|incomplete/), expect.anything()]);
      for (const { item, usage } of answers) {
        const of = events.filter((event) => 'itemId' in event && event.itemId === item.id);
        const text = of.map((event) => (event.kind === 'answer-text' ? event.text : '')).join('');
        const samples = of.reduce((sum, event) => sum + (event.kind === 'answer-audio' ? event.samples.length : 0), 0);
        expect(text).toBe(item.text);
        expect(text).not.toBe('');
        expect(samples).toBeGreaterThan(2400);
        expect(usage.spokenMs).toBeCloseTo(samples / 24, 6);
      }
      // The second answer reads what the first left.
      expect(answers[1]!.usage.cachedTokens).toBeGreaterThan(answers[0]!.usage.inputTokens);
    } finally {
      await talker.dispose();
      rmSync(folder, { recursive: true });
    }
  });

  test('is silent within 100 ms of the first sample of speech, and keeps the words that were heard', { timeout: 120_000 }, async () => {
    const detector = await loadVoiceDetector(bundledDetectorPath());
    const sentences = readFileSync(`${fixturesPath}speech/sentences.txt`, 'utf8').split('\n').filter(Boolean);
    const words = Array.from({ length: 40 }, (_, i) => `word${i}`);
    const late: number[] = [];
    // Speech begins anywhere in a frame of the detector.
    for (const [i, sentence] of [...sentences.slice(0, 7), sentences[15]!].entries()) {
      const speech = await spokenBy(sentence);
      const onset = 12_000 + 96 * i;
      const sound = new Float32Array(onset + Math.min(speech.length, 16_000));
      sound.set(speech.subarray(0, 16_000), onset);
      const { model } = scriptedModel(async function* () {
        yield `${words.join(' ')}.`;
      });
      const talker = createCascade({ ears: scriptedEars(() => 'stop'), model, voice: scriptedVoice(100), detector });
      const player = simulatedPlayer();
      const session = talker.open({ player });
      const events: TalkSessionEvent[] = [];
      const following = (async () => {
        for await (const event of session.events()) events.push(event);
      })();
      session.add({ role: 'user', text: 'count' });
      session.respond();
      while (!events.some(({ kind }) => kind === 'answer-done')) await new Promise((resolve) => setTimeout(resolve, 1));
      // A microphone's pieces of 10 ms, in time.
      for (let at = 0; at < sound.length; at += 160) {
        player.advance(10);
        await session.hear({ samples: sound.subarray(at, at + 160), sampleRate: RATE });
      }
      await vi.waitFor(() => expect(events.some(({ kind }) => kind === 'truncated'), sentence).toBe(true));
      late.push(player.silencedMs[0]! - (1000 * onset) / RATE);
      const cut = events.find((event) => event.kind === 'truncated');
      expect(cut, sentence).toBeDefined();
      // Words of 100 ms each: those that ended before the silence.
      const heard = Math.floor((cut as { audioEndMs: number }).audioEndMs / 100);
      expect(session.history[1]!.text).toBe(words.slice(0, heard).join(' '));
      expect(heard).toBeLessThanOrEqual(player.silencedMs.at(-1)! / 100);
      await session.close();
      await following;
    }
    await detector.dispose();
    expect(late.length).toBe(8);
    expect(Math.min(...late)).toBeGreaterThan(0);
    expect(Math.max(...late), late.map(Math.round).join(' ')).toBeLessThanOrEqual(100);
  });
});
