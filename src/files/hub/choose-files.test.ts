import { describe, expect, test } from 'vitest';
import { CapacityError, InputError } from '../../tensor/errors.ts';
import { chooseFiles, ggufModels } from './choose-files.ts';

const GB = 1e9;
const file = (name: string, sizeBytes = 100) => ({ name, sizeBytes });
const names = (choice: { readonly files: readonly { readonly name: string }[] }) => choice.files.map(({ name }) => name);
const repository = 'o/n';

const qwen = [
  file('README.md'),
  file('Qwen3-4B-Q4_K_M.gguf', 2.5 * GB),
  file('Qwen3-4B-Q5_0.gguf', 2.8 * GB),
  file('Qwen3-4B-Q8_0.gguf', 4.3 * GB),
  file('Qwen3-4B-Q3_K_M.gguf', 2.1 * GB),
  file('mmproj-F16.gguf', GB),
  file('BF16/Qwen3-4B-BF16-00001-of-00002.gguf', 4 * GB),
  file('BF16/Qwen3-4B-BF16-00002-of-00002.gguf', 4 * GB),
  file('Qwen3-4B-UD-IQ1_S.gguf', GB),
];

describe('GGUF', () => {
  test('models and their types by the names of files; parts belong together', () => {
    expect(ggufModels(qwen).map(({ quantization, files, sizeBytes }) => [quantization, files.length, sizeBytes])).toEqual([
      ['Q4_K_M', 1, 2.5 * GB],
      ['Q5_0', 1, 2.8 * GB],
      ['Q8_0', 1, 4.3 * GB],
      ['Q3_K_M', 1, 2.1 * GB],
      ['BF16', 2, 8 * GB],
      ['UD-IQ1_S', 1, GB],
    ]);
  });

  test.each([
    ['gpt-oss-20b-mxfp4.gguf', 'MXFP4'],
    ['model.gguf', undefined],
    ['gemma-3-1b-it-q4_0.gguf', 'Q4_0'],
    ['LFM2.5-1.2B-Q4_K_M.gguf', 'Q4_K_M'],
    ['x-UD-Q4_K_XL.gguf', 'UD-Q4_K_XL'],
    ['x.IQ4_XS.gguf', 'IQ4_XS'],
    ['x-f16.gguf', 'F16'],
    ['Qwen3-Embedding-0.6B-Q8_0.gguf', 'Q8_0'],
  ])('%s is %s', (name, quantization) => expect(ggufModels([file(name)])[0]!.quantization).toBe(quantization));

  test('memory chooses: four bits, less where those do not fit, eight for small models', () => {
    expect(names(chooseFiles(qwen, { repository, roomBytes: 16 * GB }))).toEqual(['Qwen3-4B-Q4_K_M.gguf']);
    expect(names(chooseFiles(qwen, { repository, roomBytes: 2.2 * GB }))).toEqual(['Qwen3-4B-Q3_K_M.gguf']);
    const small = [file('a-Q8_0.gguf', 0.7 * GB), file('a-Q4_K_M.gguf', 0.4 * GB)];
    expect(chooseFiles(small, { repository, roomBytes: 16 * GB })).toMatchObject({
      quantization: 'Q8_0',
      reason: 'eight bits, as the model is small',
    });
    expect(chooseFiles(small, { repository, roomBytes: 0.5 * GB }).quantization).toBe('Q4_K_M');
  });

  test('a tower of its folder comes with it: the one that is called as it is, else of f16 before others', () => {
    const projectors = [file('mmproj-BF16.gguf'), file('mmproj-F16.gguf'), file('mmproj-F32.gguf')];
    const towerOf = (files: typeof qwen, quantization: string) => chooseFiles(files, { repository, quantization }).projector?.name;
    expect(towerOf(qwen, 'Q8_0')).toBe('mmproj-F16.gguf');
    expect(towerOf([...projectors, file('a-Q8_0.gguf')], 'Q8_0')).toBe('mmproj-F16.gguf');
    expect(towerOf([file('mmproj-a-Q8_0.gguf'), file('mmproj-a-BF16.gguf'), file('a-Q8_0.gguf')], 'Q8_0')).toBe('mmproj-a-Q8_0.gguf');
    expect(towerOf(qwen, 'BF16')).toBeUndefined();
    expect(towerOf([file('a-Q8_0.gguf')], 'Q8_0')).toBeUndefined();
  });

  test('where none fits, the smallest that runs is named', () => {
    const choose = () => chooseFiles(qwen, { repository, roomBytes: GB });
    expect(choose).toThrow(CapacityError);
    expect(choose).toThrow(/smallest is Q3_K_M \(2\.10 GB\).*o\/n:Q3_K_M/);
  });

  test('a named one, in any case, by its type or a part of its name', () => {
    expect(names(chooseFiles(qwen, { repository, quantization: 'q8_0' }))).toEqual(['Qwen3-4B-Q8_0.gguf']);
    expect(names(chooseFiles(qwen, { repository, quantization: 'iq1' }))).toEqual(['Qwen3-4B-UD-IQ1_S.gguf']);
    expect(names(chooseFiles(qwen, { repository, quantization: 'BF16' }))).toHaveLength(2);
  });

  test('one that is not there is refused with those that are, and so is half a name', () => {
    expect(() => chooseFiles(qwen, { repository, quantization: 'Q6_K' })).toThrow(/o\/n has no model Q6_K\. It has: Q4_K_M \(2\.50 GB\)/);
    expect(() => chooseFiles(qwen, { repository, quantization: 'Q' })).toThrow(/Several models/);
    expect(() => chooseFiles([file('config.json'), file('model.safetensors')], { repository, quantization: 'Q4_0' })).toThrow(
      /has no GGUF files/,
    );
  });

  test('a split model with a part missing is none', () => {
    expect(() =>
      chooseFiles(
        qwen.filter(({ name }) => !name.includes('00002')),
        { repository, quantization: 'BF16' },
      ),
    ).toThrow(InputError);
  });
});

describe('folders', () => {
  const llama = [
    'README.md',
    'config.json',
    'tokenizer.json',
    'model.safetensors.index.json',
    'model-00001-of-00002.safetensors',
    'model-00002-of-00002.safetensors',
    'original/consolidated.00.pth',
    'consolidated.safetensors',
    'onnx/model.onnx',
    'pytorch_model.bin',
  ].map((name, at) => file(name, 10 * (at + 1)));

  test('weights, configuration and tokenizer, small files first', () => {
    expect(names(chooseFiles(llama, { repository }))).toEqual([
      'config.json',
      'tokenizer.json',
      'model.safetensors.index.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
    ]);
  });

  test("modules of sentence-transformers' folders", () => {
    const files = ['modules.json', '1_Pooling/config.json', '2_Dense/model.safetensors', 'config.json', 'model.safetensors'].map((name) =>
      file(name),
    );
    expect(names(chooseFiles(files, { repository })).toSorted()).toEqual(files.map(({ name }) => name).toSorted());
  });

  test('what makes the sound of LFM2-Audio, and not what made its training data', () => {
    const detokenizer = ['audio_detokenizer/config.json', 'audio_detokenizer/model.safetensors'];
    const others = ['config.json', 'model.safetensors', 'tokenizer-mimi.safetensors', 'assets/a.json'];
    const files = [...detokenizer, ...others].map((name) => file(name));
    expect(names(chooseFiles(files, { repository })).toSorted()).toEqual([...detokenizer, 'config.json', 'model.safetensors']);
  });

  test('a model that speaks, with its voices: safetensors before what torch saved', () => {
    const kokoro = ['README.md', 'config.json', 'kokoro-v1_0.pth', 'voices/af_heart.pt', 'voices/am_adam.pt', 'samples/HEARME.wav'].map(
      (name, at) => file(name, 10 * (at + 1)),
    );
    expect(names(chooseFiles(kokoro, { repository }))).toEqual(['config.json', 'kokoro-v1_0.pth', 'voices/af_heart.pt',
    'voices/am_adam.pt']);
    const both = [...kokoro, file('kokoro-v1_0.safetensors', 5)];
    expect(names(chooseFiles(both, { repository }))).toContain('kokoro-v1_0.safetensors');
    expect(names(chooseFiles(both, { repository }))).not.toContain('kokoro-v1_0.pth');
    expect(() => chooseFiles(kokoro.filter(({ name }) => !name.startsWith('voices')), { repository })).toThrow(/holds no model/);
  });

  test('what is no model is refused with what is there', () => {
    expect(() => chooseFiles([file('a.onnx'), file('config.json')], { repository })).toThrow(/found \.onnx, \.json/);
    expect(() => chooseFiles([], { repository })).toThrow(/found no files/);
    expect(() =>
      chooseFiles(
        llama.filter(({ name }) => !name.includes('00002')),
        { repository },
      ),
    ).toThrow(InputError);
  });
});
