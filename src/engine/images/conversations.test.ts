/** Conversations with images on the goldens of models that see: their prompts, what of them is computed again, and what is refused. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasShared } from '../../../test/fixture-tensors.ts';
import { imageFile } from '../../../test/image-fixtures.ts';
import { idsOf, seeingModel } from '../../../test/seeing-model.ts';
import type { Image } from '../../image/image.ts';
import { readImageSettings } from '../../image/image-settings.ts';
import type { QwenImageSettings } from '../../image/image-settings.ts';
import { preparePictures } from '../../image/prepare-pictures.ts';
import { prepareVideo } from '../../image/prepare-video.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { InputError } from '../../tensor/errors.ts';
import type { ChatMessage, FinalPiece, GenerateOptions, Model } from '../api.ts';
import { loadModel } from '../../node/load-model.ts';
import { bundledModelPath } from '../../node/package-root.ts';
import { imagePart, videoPart } from './image-source.ts';

const GREEDY = { temperature: 0, maxTokens: 6, ignoreEos: true } as const;

function painted(width: number, height: number, seed = 0): Image {
  const data = Uint8Array.from({ length: width * height * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 7 + seed * 31) % 256));
  return { width, height, data };
}

interface Answered {
  readonly tokens: readonly number[];
  readonly text: string;
  readonly final: FinalPiece;
}

async function answered(generation: AsyncIterable<{ readonly tokens: readonly number[]; readonly text: string }>): Promise<Answered> {
  const tokens: number[] = [];
  let text = '';
  let final: FinalPiece | undefined;
  for await (const piece of generation) {
    tokens.push(...piece.tokens);
    text += piece.text;
    if ('finishReason' in piece && piece.finishReason !== undefined) final = piece as FinalPiece;
  }
  return { tokens, text, final: final! };
}

const ask = (model: Model, options: GenerateOptions) => answered(model.generate({ ...GREEDY, ...options }));

function user(...content: readonly JsonObject[]): ChatMessage {
  return { role: 'user', content };
}

const text = (words: string): JsonObject => ({ type: 'text', text: words });

/** Text and pictures in turn, as a template of the family has them. */
function segments(model: Model, parts: readonly (string | Image)[]) {
  const info = model.vision!;
  const isQwen = info.family === 'qwen-vl';
  return parts.flatMap((part) => {
    if (typeof part === 'string') return [idsOf(part, model)];
    const { pictures, tiles } = preparePictures(part, readImageSettings(info));
    const keyed = pictures.map((picture, i) => ({ ...picture, key: `${part.width} ${part.data[0]} ${i}` }));
    if (isQwen) return keyed;
    const mark = (i: number) => (i === tiles!.rows * tiles!.columns
      ? '<|img_thumbnail|>' : `<|img_row_${Math.floor(i / tiles!.columns) + 1}_col_${(i % tiles!.columns) + 1}|>`);
    const marked = keyed.flatMap((picture, i) => (tiles === undefined ? [picture] : [idsOf(mark(i), model), picture]));
    return [idsOf('<|image_start|>', model), ...marked, idsOf('<|image_end|>', model)];
  });
}

const FAMILIES = (['lfm2_vl', 'qwen3_vl', 'qwen3_5_vl'] as const).filter((name) => hasShared(`golden/${name}/golden.json`));

describe.each(FAMILIES)('%s', (name) => {
  let model: Model;
  const place = (around: 'start' | 'end') => (name === 'lfm2_vl' ? '' : `<|vision_${around}|>`);

  beforeAll(async () => {
    model = await seeingModel(name);
  });
  afterAll(() => model?.dispose());

  it('reads a prompt with the pictures in their places, counted before', async () => {
    const [first, second] = [painted(40, 24, 1), painted(70, 50, 2)];
    const messages = [user(text('A'), imagePart(first), text('and'), imagePart(second), text('?'))];
    const parts = [
      `<|im_start|>user\nA${place('start')}`, first, `${place('end')}and${place('start')}`, second,
      `${place('end')}?<|im_end|>\n<|im_start|>assistant\n`,
    ];
    const expected = await ask(model, { segments: segments(model, parts) });
    const found = await ask(model, { messages });
    expect(found.tokens).toEqual(expected.tokens);
    const { promptTokens } = found.final.usage;
    expect(promptTokens).toBe(expected.final.usage.promptTokens);
    const counted = model.countTokens({ messages });
    expect(counted.tokens).toBe(promptTokens);
    expect(counted.images.map(({ width, height }) => [width, height])).toEqual([[40, 24], [70, 50]]);
    const words = model.promptIds({ messages: [user(text('A'), text('and'), text('?'))] }).length;
    expect(counted.images.reduce((sum, { tokens }) => sum + tokens, words)).toBeLessThanOrEqual(promptTokens);
    expect(() => model.promptIds({ messages })).toThrow(InputError);
    // Files are turned as EXIF says.
    expect(model.countTokens({ messages: [user(imagePart(imageFile('turned.png')))] }).images[0]).toMatchObject({ width: 19, height: 29 });
  });

  it('a second turn on the same image prefills its text alone', async () => {
    const chat = model.createChat();
    const first = await answered(chat.send(user(imagePart(painted(40, 24, 3)), text('What is this?')), GREEDY));
    expect(first.final.usage.cachedTokens).toBe(0);
    const second = await answered(chat.send('And now?', GREEDY));
    const { promptTokens, cachedTokens } = second.final.usage;
    const before = first.final.usage.promptTokens;
    expect(cachedTokens).toBeGreaterThanOrEqual(before - 1);
    expect(promptTokens - cachedTokens).toBeLessThanOrEqual(promptTokens - before + 1);
    // Cold, the same conversation answers the same.
    const cold = await ask(model, { messages: chat.history.slice(0, -1), cachePrompt: false });
    expect(cold.tokens).toEqual(second.tokens);
    expect(cold.final.usage.promptTokens).toBe(promptTokens);
    const saved = await model.loadChat(chat.toBytes());
    expect((await answered(saved.send('Once more?', GREEDY))).tokens).toEqual((await answered(chat.send('Once more?', GREEDY))).tokens);
    chat.dispose();
    saved.dispose();
  });

  it('refuses, and answers the next call', async () => {
    const image = imagePart(painted(40, 24));
    const cases: readonly (readonly [readonly ChatMessage[], RegExp])[] = [
      [[user(imagePart(new TextEncoder().encode('<!DOCTYPE html>')))], /messages\[0\]\.content\[0\]: expected a PNG.*found a page of HTML/],
      [[user(text('a'), imagePart(imageFile('rgb.png').subarray(0, 300)))], /messages\[0\]\.content\[1\]: the PNG is cut/],
      [[user({ type: 'image_url', image_url: { url: 'https://example.com/a.png' } })], /Images of the web are not fetched/],
      [[user({ type: 'image_url', image_url: { url: 'data:image/png;base64,%%%' } })], /base64 is damaged/],
      [[user({ type: 'image_url', image_url: { url: 'data:image/png,abc' } })], /must be base64/],
      [[user({ type: 'image_url', image_url: { url: 'data:image/png;base64,', detail: 'full' } })], /detail must be auto, low or high/],
      [[user({ type: 'image' })], /an image needs a url/],
      [[user(imagePart(painted(1, 400)))], /1 x 400 pixels are longer than 200 times/],
      [[{ role: 'system', content: [image] }, user(text('a'))], /places for 0 of the 1 images/],
      [[user(...Array<JsonObject>(100).fill(image).map((part) => ({ ...part })))], /100 images, and at most 64 are seen at a time/],
    ];
    for (const [messages, message] of cases) {
      const failure = await ask(model, { messages }).catch((error: unknown) => error);
      expect(failure, String(message)).toBeInstanceOf(InputError);
      expect((failure as Error).message).toMatch(message);
    }
    const pixels = new Float32Array(4).fill(NaN) as unknown as Uint8Array;
    expect(() => imagePart({ width: 1, height: 1, data: pixels })).toThrow(/NaN at index 0/);
    const controller = new AbortController();
    const left = ask(model, { messages: [user(imagePart(painted(64, 64, 9)), text('a'))], signal: controller.signal });
    controller.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    expect((await ask(model, { messages: [user(image)] })).tokens).toHaveLength(6);
  });

  it('sees no more of an image than it was loaded for', async () => {
    // A tile of LFM2-VL has 16 patches here.
    const own = await seeingModel(name, { mostPatches: 12 });
    const image = imagePart(painted(120, 90, 5));
    const video = videoPart({ frames: [1, 2, 3].map((n) => painted(120, 90, n)), times: [0, 1, 2] });
    for (const part of name === 'lfm2_vl' ? [image] : [image, video]) {
      const messages = [user(part, text('?'))];
      const found = await ask(own, { messages });
      expect(found.tokens).toHaveLength(6);
      const { tokens, images: [seen] } = own.countTokens({ messages });
      expect(tokens).toBe(found.final.usage.promptTokens);
      expect(seen!.tokens).toBeLessThanOrEqual(part === video ? 6 : 3);
    }
    await own.dispose();
    await expect(seeingModel(name, { mostPatches: 3 })).rejects.toThrow(/mostPatches must be at least 4/);
  });

  it('has answers with several choices and tools as texts have them', async () => {
    const messages = [user(imagePart(painted(40, 24, 4)), text('?'))];
    const choices = new Map<number, number[]>();
    for await (const { index, tokens } of model.generate({ ...GREEDY, messages, n: 2 }))
      choices.set(index, [...(choices.get(index) ?? []), ...tokens]);
    expect(choices.get(0)).toEqual(choices.get(1));
    expect(choices.get(0)).toEqual((await ask(model, { messages })).tokens);
  });
});

describe.skipIf(!FAMILIES.includes('lfm2_vl'))('tiles of a processor', () => {
  const cases = [[{}, 1024], [{ tile_size: 320 }, 1600], [{ max_image_tokens: 300 }, 1200]] as const;

  it.each(cases)('%j: loaded for %d patches', async (processor, most) => {
    const model = await seeingModel('lfm2_vl', { processor });
    expect(model.vision!.mostPatches).toBe(most);
    await model.dispose();
  });

  it('must be whole blocks', async () => {
    const loading = seeingModel('lfm2_vl', { processor: { tile_size: 40 } });
    await expect(loading).rejects.toThrow(/tile_size must be whole blocks of 16 pixels, found 40/);
  });
});

const hasQwen = FAMILIES.includes('qwen3_vl');

describe.skipIf(!hasQwen)('images of conversations', () => {
  it('a video is pictures of its frames behind their times', async () => {
    const model = await seeingModel('qwen3_vl');
    const frames = [0, 1, 2].map((i) => painted(32, 32, i));
    const times = [0, 0.5, 1];
    const content = [text('See:'), videoPart({ frames, times }), text('?')];
    const found = await ask(model, { messages: [user(...content)] });
    const settings = readImageSettings(model.vision!) as QwenImageSettings;
    const prepared = prepareVideo({ frames, times }, settings);
    const shown = prepared.pictures.flatMap((picture, i) => [
      idsOf(`<${prepared.times[i]!.toFixed(1)} seconds><|vision_start|>`, model), { ...picture, patches: picture.patches, key: `v${i}` },
      idsOf('<|vision_end|>', model),
    ]);
    const expected = await ask(model, {
      segments: [idsOf('<|im_start|>user\nSee:', model), ...shown, idsOf('?<|im_end|>\n<|im_start|>assistant\n', model)],
    });
    expect(prepared.times).toEqual([0.25, 1]);
    expect(found.tokens).toEqual(expected.tokens);
    expect(model.countTokens({ messages: [user(...content)] }).tokens).toBe(found.final.usage.promptTokens);
    await model.dispose();
  });

  it('counts videos, and parts that stand twice, as an answer has them', async () => {
    const model = await seeingModel('qwen3_vl');
    const frames = [0, 1, 2].map((i) => painted(32, 32, i));
    // The middle of 9.9 and 10.5 has a digit more than the first of them, and a character here is a token.
    const messages = [user(text('See:'), videoPart({ frames, times: [9.9, 10.5, 11] }))];
    expect(model.countTokens({ messages }).tokens).toBe((await ask(model, { messages })).final.usage.promptTokens);
    const bad = [
      [{ frames, times: [0] }, /3 frames need as many times, found 1/],
      [{ frames, times: [2, 1, 3] }, /times must be seconds that rise, found 1 for frame 1/],
      [{ frames: [painted(32, 32), painted(32, 40)], times: [0, 1] }, /frame 1 has 32 x 40 pixels, the first 32 x 32/],
      [{ frames: [], times: [] }, /no frames/],
    ] as const;
    for (const [video, message] of bad) {
      const part = videoPart(video);
      const counting = await (async () => model.countTokens({ messages: [user(part)] }))().catch((error: unknown) => error);
      const failure = await ask(model, { messages: [user(part)] }).catch((error: unknown) => error);
      expect(counting).toBeInstanceOf(InputError);
      expect((counting as Error).message).toMatch(message);
      expect((failure as Error).message).toBe((counting as Error).message);
    }
    const twice = imagePart(painted(32, 32));
    const counted = model.countTokens({ messages: [user(twice, text('and'), twice)] });
    expect(counted.images).toHaveLength(2);
    expect(counted.tokens).toBe((await ask(model, { messages: [user(twice, text('and'), twice)] })).final.usage.promptTokens);
    await model.dispose();
  });

  it('limits of tokens and pixels are obeyed, and a cache of nothing keeps nothing', async () => {
    const model = await seeingModel('qwen3_vl', { images: { maxTokens: 4, maxPixels: 5000, cacheBytes: 0, maxImages: 1 } });
    const image = imagePart(painted(64, 64));
    expect(model.countTokens({ messages: [user(image)] }).images).toEqual([{ tokens: 4, width: 64, height: 64 }]);
    expect((await ask(model, { messages: [user(image)] })).tokens).toHaveLength(6);
    await expect(ask(model, { messages: [user(imagePart(painted(80, 80)))] })).rejects.toThrow(/80 x 80 pixels, and at most 5000/);
    await expect(ask(model, { messages: [user(image, { ...image })] })).rejects.toThrow(/2 images, and at most 1/);
    await model.dispose();
  });

  it('pixels need no decoder, and files are refused without one', async () => {
    const model = await seeingModel('qwen3_vl', { decodes: false });
    expect((await ask(model, { messages: [user(imagePart(painted(32, 32)))] })).tokens).toHaveLength(6);
    await expect(ask(model, { messages: [user(imagePart(imageFile('rgb.png')))] })).rejects.toThrow(/image files need a decoder/);
    await model.dispose();
  });
});

it('a model that sees nothing says so', async () => {
  const model = await loadModel(bundledModelPath(), { device: 'cpu', threads: 1 });
  const asked = ask(model, { messages: [user(imagePart(painted(8, 8)))] });
  await expect(asked).rejects.toThrow(/messages\[0\]\.content\[0\]: this model sees no images/);
  await model.dispose();
  const loading = loadModel(bundledModelPath(), { device: 'cpu', images: { maxTokens: 5 } });
  await expect(loading).rejects.toThrow(/images is for a model that sees/);
});
