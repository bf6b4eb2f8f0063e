/** Sounds in chats by OpenAI's client: heard by Moonshine and spoken by a small Kokoro around ember, and a small LFM2-Audio alone. */
import type OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { hasRealtimeModels, realtimeRig, recordedSpeech } from '../../../test/realtime-rig.ts';
import { openAudio } from '../../audio/open-audio.ts';
import { encodeWav } from '../../audio/wav-writer.ts';
import { memorySource } from '../../files/memory-source.ts';
import { createSpokenAnswers } from '../spoken-answers.ts';

const SYSTEM = { role: 'system' as const, content: 'You are a helpful assistant.' };

function wavOf(from: number, to: number): string {
  const samples = Float32Array.from(recordedSpeech(from, to), (sample) => sample / 32768);
  return Buffer.from(encodeWav(samples, { sampleRate: 24_000, channels: 1 })).toString('base64');
}

const sound = (data: string, format = 'wav') => ({ type: 'input_audio' as const, input_audio: { data, format: format as 'wav' } });
const SPOKEN = { modalities: ['text', 'audio'] as ('text' | 'audio')[], audio: { voice: 'af_heart', format: 'wav' as const } };

describe.skipIf(!hasRealtimeModels)('a chat', () => {
  const rig = realtimeRig();
  const ask = (rest: object) => rig.client.chat.completions.create({
    model: 'ember', temperature: 0, max_tokens: 8, ...rest,
  } as OpenAI.ChatCompletionCreateParamsNonStreaming);

  async function samplesOf(bytes: Uint8Array): Promise<number> {
    const { sampleRate, chunks } = await openAudio(memorySource(bytes, 'answer.wav'));
    let samples = 0;
    for await (const chunk of chunks) samples += chunk.length;
    expect(sampleRate).toBe(24_000);
    return samples;
  }

  it('reads a sound as what the ears of the server hear in it', async () => {
    const [heard, words] = [wavOf(0, 4), { type: 'text', text: ' Where is it?' }];
    const { text } = await rig.client.audio.transcriptions.create({
      file: new File([Buffer.from(heard, 'base64')], 'a.wav'), model: 'hear',
    });
    expect(text).toMatch(/Dublin/);
    const [found, wanted] = [
      await ask({ messages: [SYSTEM, { role: 'user', content: [sound(heard), words] }] }),
      await ask({ messages: [SYSTEM, { role: 'user', content: `${text} Where is it?` }] }),
    ];
    expect(found.choices[0]!.message).toEqual(wanted.choices[0]!.message);
    expect(found.usage!.prompt_tokens).toBe(wanted.usage!.prompt_tokens);
    // What was heard counts to the request: the model that was asked has its tokens.
    expect(rig.records.at(-2)).toMatchObject({ model: 'ember', completionTokens: expect.any(Number) });
    expect(rig.records.at(-2)!.completionTokens).toBeGreaterThan(rig.records.at(-1)!.completionTokens);
  });

  it('is answered with speech, and goes on from it by its id', async () => {
    const messages = [SYSTEM, { role: 'user' as const, content: 'Who is Ash?' }];
    const plain = await ask({ messages });
    const { choices: [choice], usage } = await ask({ messages, ...SPOKEN });
    const { content, audio } = choice!.message;
    const [{ message, finish_reason: finish }] = plain.choices as [OpenAI.ChatCompletion.Choice];
    expect([content, audio!.transcript, choice!.finish_reason]).toEqual([null, message.content, finish]);
    expect(usage).toMatchObject({ completion_tokens: plain.usage!.completion_tokens, prompt_tokens: plain.usage!.prompt_tokens });
    expect(audio!.expires_at).toBeGreaterThan(Date.now() / 1000 + 3500);
    expect(await samplesOf(Buffer.from(audio!.data, 'base64'))).toBeGreaterThan(2400);
    const next = { role: 'user', content: 'Thanks.' };
    const [byId, byText] = [
      await ask({ messages: [...messages, { role: 'assistant', audio: { id: audio!.id } }, next] }),
      await ask({ messages: [...messages, { role: 'assistant', content: audio!.transcript }, next] }),
    ];
    expect(byId.choices[0]!.message).toEqual(byText.choices[0]!.message);
  });

  it('is streamed: transcript and sound as they are made', async () => {
    const messages = [SYSTEM, { role: 'user' as const, content: 'Who is Ash?' }];
    const whole = await ask({ messages, ...SPOKEN });
    const wav = whole.choices[0]!.message.audio!;
    const stream = await rig.client.chat.completions.create({
      model: 'ember', temperature: 0, max_tokens: 8, messages, stream: true, stream_options: { include_usage: true }, ...SPOKEN,
      audio: { voice: 'af_heart', format: 'pcm16' },
    });
    const deltas: any[] = [];
    for await (const { choices, usage } of stream) deltas.push(...choices.map(({ delta }) => delta), ...(usage ? [{ usage }] : []));
    const audios = deltas.flatMap(({ audio }) => audio ?? []);
    expect(deltas[0]).toMatchObject({ role: 'assistant', audio: { id: expect.stringMatching(/^audio_/) } });
    expect(audios.map(({ transcript = '' }) => transcript).join('')).toBe(wav.transcript);
    const bytes = Buffer.concat(audios.map(({ data = '' }) => Buffer.from(data, 'base64')));
    expect(new Uint8Array(bytes)).toEqual(new Uint8Array(Buffer.from(wav.data, 'base64').subarray(44)));
    expect(audios.at(-1)).toEqual({ expires_at: expect.any(Number) });
    expect(deltas.at(-1).usage.completion_tokens).toBe(whole.usage!.completion_tokens);
  });

  it('with a model that speaks itself has its turns and its own speech', async () => {
    const first = { role: 'user', content: [{ type: 'text', text: 'tell-me' }, sound(wavOf(0, 1))] };
    const of = { model: 'talk', max_tokens: 12, ...SPOKEN, audio: { voice: 'default', format: 'wav' } };
    const { choices: [choice], usage } = await ask({ ...of, messages: [first] });
    const { audio } = choice!.message;
    expect(choice!.finish_reason).toBe('length');
    expect(await samplesOf(Buffer.from(audio!.data, 'base64'))).toBe(1920 * usage!.completion_tokens_details!.audio_tokens!);
    // By its id the model reads its own frames, each a position; by its words it does not.
    const after = async (message: object) =>
      (await ask({ ...of, messages: [first, { role: 'assistant', ...message }, { role: 'user', content: 'hello' }] })).usage!.prompt_tokens;
    const [byId, byText] = [await after({ audio: { id: audio!.id } }), await after({ content: audio!.transcript })];
    expect(byId - byText).toBeGreaterThanOrEqual(usage!.completion_tokens_details!.audio_tokens!);
    const text = await ask({ model: 'talk', max_tokens: 4, messages: [{ role: 'system', content: 'Perform ASR.' }, first] });
    expect(text.choices[0]!.message).toMatchObject({ role: 'assistant', content: expect.any(String) });
    expect(text.choices[0]!.message.audio).toBe(undefined);
    expect(rig.records.at(-1)).toMatchObject({ model: 'talk', outcome: 'done', completionTokens: 4 });
  });

  it('with such a model has a sound as long as it hears, no longer', async () => {
    const asked = ask({ model: 'talk', messages: [{ role: 'user', content: [sound(wavOf(0, 3))] }] });
    await expect(asked).rejects.toMatchObject({ status: 400, param: 'messages', message: expect.stringContaining('longer than 2 s') });
  });

  const hello = [{ role: 'user', content: 'hello' }];
  const damaged = [{ role: 'user', content: [sound(Buffer.from('RIFF then nothing of a sound').toString('base64'))] }];
  it.each([
    [{ modalities: ['audio'] }, 'modalities'], [{ modalities: ['text', 'audio'] }, 'audio'], [{ audio: SPOKEN.audio }, 'audio'],
    [{ ...SPOKEN, audio: { format: 'mp3' } }, 'audio.format'], [{ ...SPOKEN, audio: { format: 'ogg' } }, 'audio.format'],
    [{ ...SPOKEN, audio: { voice: 'alloy', format: 'wav' } }, 'audio.voice'], [{ ...SPOKEN, stream: true }, 'audio.format'],
    [{ ...SPOKEN, n: 2 }, 'n'], [{ ...SPOKEN, logprobs: true }, 'logprobs'],
    [{ messages: [{ role: 'user', content: [sound('%%')] }] }, 'messages[0].content[0].input_audio.data'],
    [{ messages: [{ role: 'user', content: [sound(Buffer.from('hello').toString('base64'))] }] },
      'messages[0].content[0].input_audio.data'],
    [{ messages: [{ role: 'user', content: [sound('UklGRg==', 'mp3')] }] }, 'messages[0].content[0].input_audio.data'],
    [{ messages: [{ role: 'user', content: [sound('UklGRg==', 'aac')] }] }, 'messages[0].content[0].input_audio.format'],
    [{ messages: damaged }, 'messages[0].content[0].input_audio.data'],
    [{ messages: [{ role: 'system', content: [sound('UklGRg==')] }, ...hello] }, 'messages[0].content[0].type'],
    [{ messages: [{ role: 'assistant', audio: { id: 'audio_none' } }, ...hello] }, 'messages[0].audio.id'],
    [{ model: 'talk', messages: damaged }, 'messages[0].content[0].input_audio.data'],
    [{ model: 'talk', tools: [{ type: 'function', function: { name: 'a' } }] }, 'tools'], [{ model: 'talk', top_p: 0.5 }, 'top_p'],
    [{ model: 'talk', ...SPOKEN }, 'audio.voice'], [{ model: 'talk', messages: [...hello, { role: 'assistant', content: 'a' }] },
      'messages'],
    [{ model: 'talk', messages: [{ role: 'user', content: [sound('UklGRg=='), sound('UklGRg==')] }] }, 'messages[0].content[1]'],
    [{ model: 'hear' }, 'model'], [{ model: 'kokoro', ...SPOKEN }, 'model'],
  ])('%j is refused by name', async (rest, param) => {
    await expect(ask({ messages: hello, ...rest })).rejects.toMatchObject({ status: 400, param });
  });
});

it('spoken answers are kept for an hour, for their key, and as far as memory goes', () => {
  let now = 0;
  const answers = createSpokenAnswers(() => now);
  const keep = (transcript: string, keyId?: string) => {
    const id = answers.newId();
    return [id, answers.keep(id, { transcript, model: 'a', keyId })] as const;
  };
  const [mine, until] = keep('mine', 'key');
  expect(until).toBe(3600);
  expect([answers.get(mine, 'key')?.transcript, answers.get(mine, undefined), answers.get('none', 'key')]).toEqual(['mine', undefined,
    undefined]);
  now = 3_600_000;
  expect(answers.get(mine, 'key')).toBe(undefined);
  const ids = Array.from({ length: 40 }, () => keep('x'.repeat(1_000_000))[0]);
  expect(ids.map((id) => answers.get(id, undefined) !== undefined).indexOf(true)).toBe(9);
  expect(answers.get(ids.at(-1)!, undefined)?.transcript.length).toBe(1_000_000);
});
