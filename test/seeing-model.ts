/** The goldens of models that see, with a tokenizer of a character a token and a template as their families have it. */
import type { Model } from '../src/engine/api.ts';
import type { ImageLimits } from '../src/engine/images/image-cache.ts';
import { createModel } from '../src/engine/model.ts';
import { openImageDecoder } from '../src/node/image-decoder.ts';
import { openExecutor } from '../src/node/load-model.ts';
import type { JsonObject } from '../src/tensor/checkpoint.ts';
import { filesBelow, openFiles } from './embedding-model.ts';
import { sharedPath } from './fixture-tensors.ts';
import type { VisionGoldenName } from './vision-golden.ts';

const IMAGE = 7;
const TILES = [1, 2, 3].flatMap((row) => [1, 2, 3].map((column) => `<|img_row_${row}_col_${column}|>`));
/** By id, up to the first character's. */
const MARKS: Readonly<Record<'lfm2' | 'qwen', readonly string[]>> = {
  lfm2: ['<pad>', '<bos>', '<|im_end|>', '<|image_start|>', '<|image_end|>', '<|im_start|>', '<|img_thumbnail|>', '<image>', '<unused>',
    ...TILES],
  qwen: ['<pad>', '<bos>', '<|im_end|>', '<|vision_start|>', '<|vision_end|>', '<|im_start|>', '<unused>', '<|image_pad|>', '<|video_pad|>',
    ...TILES],
};
export const FIRST_CHARACTER = 18;

/** As byte-level vocabularies write them. */
const CHARACTERS = [...Array.from({ length: 94 }, (_, i) => String.fromCodePoint(33 + i)), 'Ġ', 'Ċ'];

const PLACES = { lfm2: '<image>', qwen: '<|vision_start|><|image_pad|><|vision_end|>' } as const;

function template(place: string): string {
  return "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' }}" +
    '{%- if message.content is string %}{{- message.content }}{%- else %}{%- for part in message.content %}' +
    `{%- if part.type == 'image' and message.role == 'user' %}{{- '${place}' }}` +
    "{%- elif 'text' in part %}{{- part.text }}{%- endif %}{%- endfor %}{%- endif %}{{- '<|im_end|>\\n' }}{%- endfor %}" +
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";
}

function tokenizerJson(marks: readonly string[], vocab: number): object {
  const others = Array.from({ length: vocab - marks.length - CHARACTERS.length }, (_, i) => String.fromCodePoint(0xae + i));
  const texts = [...marks, ...CHARACTERS, ...others];
  return {
    version: '1.0', truncation: null, padding: null, normalizer: null, post_processor: null,
    added_tokens: marks.map((content, id) => ({
      id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false,
    })),
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab: Object.fromEntries(texts.map((text, id) => [text, id])), merges: [], byte_fallback: false },
  };
}

/** Small images: patches of 8 x 8 pixels, tiles of 32 x 32. */
const PROCESSORS = {
  lfm2: {
    encoder_patch_size: 8, downsample_factor: 2, tile_size: 32, min_tiles: 2, max_tiles: 4, min_image_tokens: 2, max_image_tokens: 6,
    use_thumbnail: true, do_image_splitting: true, max_pixels_tolerance: 2,
  },
  qwen: { patch_size: 8, merge_size: 2, temporal_patch_size: 2, size: { shortest_edge: 512, longest_edge: 4096 } },
} as const;

export interface SeeingModelOptions {
  readonly images?: ImageLimits;
  readonly mostPatches?: number;
  /** In place of some of the image processor's. */
  readonly processor?: JsonObject;
  /** Without what reads files. */
  readonly decodes?: boolean;
}

/** Files of a folder. */
export function seeingFiles(name: VisionGoldenName, processor: JsonObject = {}): Map<string, Uint8Array> {
  const kind = name === 'lfm2_vl' ? 'lfm2' : 'qwen';
  return filesBelow(`${sharedPath}/golden/${name}`, {
    'tokenizer.json': tokenizerJson(MARKS[kind], 164),
    'tokenizer_config.json': { eos_token: '<|im_end|>', add_bos_token: false, chat_template: template(PLACES[kind]) },
    'preprocessor_config.json': { ...PROCESSORS[kind], ...processor },
    'generation_config.json': { eos_token_id: 2 },
  });
}

export async function seeingModel(name: VisionGoldenName, options: SeeingModelOptions = {}): Promise<Model> {
  const { images, decodes = true, mostPatches, processor } = options;
  const checkpoint = await openFiles(seeingFiles(name, processor));
  const executor = await openExecutor({ device: 'cpu', threads: 1 });
  const imageDecoder = decodes ? openImageDecoder() : undefined;
  return createModel({ checkpoint, executor, contextLength: 512, images, imageDecoder, mostPatches });
}

/** Ids of a text, control tokens spelled out. */
export function idsOf(text: string, { tokenizer }: Model): number[] {
  return tokenizer!.encodeSegments([{ text, parseSpecial: true }]);
}

export { IMAGE };
