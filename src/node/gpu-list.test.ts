import { describe, expect, test } from 'vitest';
import type { AdapterFacts } from '../gpu/device/adapter-facts.ts';
import { parseDevice } from './device-choice.ts';
import type { DeviceChoice } from './device-choice.ts';
import { adapterNames, chooseGpu, listGpus } from './gpu-list.ts';

/** As Dawn's binding (webgpu 0.6.2) words it. */
const refusal = (...names: readonly string[]) =>
  ['no suitable backends found', 'Available adapters:', ...names.map((name) => ` * backend: 'vulkan', name: '${name}'`)].join('\n');

/** What Dawn gives for a name: the first adapter whose own name holds it. */
function machine(...adapters: readonly string[]) {
  const open = (name: string) => {
    const device = adapters.find((each) => each.includes(name));
    const facts = { vendor: 'v', architecture: 'a', device, description: '', isSoftware: device?.startsWith('llvmpipe') === true };
    return Promise.resolve(device === undefined ? undefined : (facts as unknown as AdapterFacts));
  };
  return listGpus(adapterNames(refusal(...adapters)), open, ({ isSoftware }) => !isSoftware);
}

describe('GPUs are listed', () => {
  test('by the names that Dawn says, best first, without software', async () => {
    const gpus = await machine("AMD's Radeon", 'Intel Arc', 'llvmpipe (LLVM 19)');
    expect(gpus.map(({ name, problem }) => [name, problem])).toEqual([["AMD's Radeon", undefined], ['Intel Arc', undefined]]);
    expect(chooseGpu(gpus, 1)).toBe(gpus[1]);
  });

  test('and a number that is none names those that there are', async () => {
    expect(chooseGpu(await machine('A', 'B'), 2)).toBe('there is no gpu:2 here, only gpu:0 (A) and gpu:1 (B)');
    expect(chooseGpu(await machine('llvmpipe'), 0)).toBe('there is no gpu:0 here, nor any other GPU');
  });

  test('of two of one name the second is said to be out of reach, not taken for the first', async () => {
    const gpus = await machine('NVIDIA H200', 'NVIDIA H200');
    expect(chooseGpu(gpus, 0)).toBe(gpus[0]);
    expect(chooseGpu(gpus, 1)).toMatch(/gpu:1 \(NVIDIA H200\) cannot be chosen: it is called as gpu:0 is.*NVIDIA_VISIBLE_DEVICES/);
  });

  test('and so is one whose name another holds that comes before it', async () => {
    const gpus = await machine('NVIDIA H200 NVL', 'NVIDIA H200');
    expect(gpus[0]!.problem).toBeUndefined();
    expect(chooseGpu(gpus, 1)).toMatch(/called as "NVIDIA H200 NVL" is/);
  });

  test('nothing is made of other words', () => expect(adapterNames('Vulkan failed')).toEqual([]));
});

describe('a device by name', () => {
  test.each([
    ['auto', { kind: 'auto' }],
    ['gpu', { kind: 'gpu' }],
    ['gpu:0', { kind: 'gpu', index: 0 }],
    ['gpu:12', { kind: 'gpu', index: 12 }],
  ] as const)('%s', (device, expected) => expect(parseDevice(device)).toEqual({ index: undefined, ...expected }));

  test.each(['gpu:', 'gpu:-1', 'gpu:x', 'gpu:1000', 'GPU', '', 'cpu:1'])('%j is refused', (device) =>
    expect(() => parseDevice(device as DeviceChoice)).toThrow('device must be auto, gpu, gpu:N, software, cpu or reference'));
});
