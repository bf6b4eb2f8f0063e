import { afterEach, describe, expect, it } from 'vitest';
import { openGpuDevice } from './gpu-device.ts';
import type { GpuDevice, GpuDeviceOptions } from './gpu-device.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { createNullGpu, testGpu } from '../../../test/gpu-harness.ts';

const opened: GpuDevice[] = [];
/** Dawn's instances must outlive what came from them. */
const nullGpu = createNullGpu();

async function open(options: GpuDeviceOptions = {}, gpu = testGpu()): Promise<GpuDevice> {
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error('no adapter');
  const device = await openGpuDevice(adapter, options);
  opened.push(device);
  return device;
}

const staging = (gpu: GpuDevice) =>
  gpu.createBuffer({ label: 'staging', size: 64, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });

/** An operation that cannot end by itself: this never calls back. */
const never = () => new Promise<void>(() => {});

afterEach(() => {
  for (const gpu of opened.splice(0)) gpu.destroy();
});

describe('the GPU device', () => {
  it("opens with the adapter's own limits and the features that kernels use", async () => {
    const adapter = await testGpu().requestAdapter();
    const gpu = await open();
    expect(gpu.limits.bufferBytes).toBe(adapter?.limits.maxBufferSize);
    expect(gpu.limits.storageBuffers).toBe(adapter?.limits.maxStorageBuffersPerShaderStage);
    expect(gpu.limits.workgroupBytes).toBe(adapter?.limits.maxComputeWorkgroupStorageSize);
    expect(gpu.features.has('subgroups')).toBe(adapter?.features.has('subgroups'));
    expect(gpu.features.has('timestamp-query')).toBe(false);
    expect(gpu.isLost).toBe(false);
  });

  it('turns timestamps on when asked', async () => {
    const adapter = await testGpu().requestAdapter();
    expect((await open({ timestamps: true })).features.has('timestamp-query')).toBe(adapter?.features.has('timestamp-query'));
  });

  it('says which required feature is missing, and what there is', async () => {
    const required = ['no-such-feature' as GPUFeatureName];
    await expect(open({ required })).rejects.toThrow(CapacityError);
    await expect(open({ required })).rejects.toThrow(/lacks no-such-feature; it has .*timestamp-query/);
  });

  it('is destroyed once and for all', async () => {
    const gpu = await open();
    gpu.destroy();
    gpu.destroy();
    expect(gpu.isLost).toBe(true);
    expect((await gpu.lost).message).toContain('closed');
    expect(() => staging(gpu)).toThrow('closed');
    await expect(gpu.guard('allocating', () => 1)).rejects.toThrow('closed');
    await expect(gpu.pending(never())).rejects.toThrow('closed');
  });
});

describe('a lost device', () => {
  it('rejects what is pending, in words', async () => {
    const gpu = await open();
    const buffer = staging(gpu);
    const waits = [gpu.pending(buffer.mapAsync(GPUMapMode.READ)), gpu.pending(gpu.queue.onSubmittedWorkDone()), gpu.pending(never())];
    gpu.device.destroy();
    const outcomes = await Promise.allSettled(waits);
    for (const outcome of outcomes) {
      expect(outcome.status).toBe('rejected');
      const { reason } = outcome as PromiseRejectedResult;
      expect(reason).toBeInstanceOf(CapacityError);
      expect((reason as Error).message).toMatch(/GPU device was lost.*load the model again/i);
    }
    expect(() => gpu.throwIfLost()).toThrow('was lost');
    expect(await gpu.lost).toBeInstanceOf(CapacityError);
  });

  it('tells each listener once, unless it was taken off', async () => {
    const gpu = await open();
    const heard: string[] = [];
    gpu.onLost(() => heard.push('first'));
    gpu.onLost(() => heard.push('second'))();
    gpu.fail(new Error('given up'));
    gpu.fail(new Error('again'));
    gpu.onLost(({ message }) => heard.push(message));
    await gpu.device.lost;
    expect(heard).toEqual(['first', 'given up']);
  });

  it('leaves another one sound', async () => {
    const first = await open();
    first.device.destroy();
    await first.lost;
    const second = await open();
    const buffer = staging(second);
    await second.pending(buffer.mapAsync(GPUMapMode.READ));
    buffer.unmap();
    expect(second.isLost).toBe(false);
  });

  it('is also one that reports an error outside of any check', async () => {
    const gpu = await open();
    const wait = gpu.pending(never());
    gpu.device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
    await expect(wait).rejects.toThrow(/reported an error: .*[Uu]sage/);
    expect(gpu.isLost).toBe(true);
  });

  it('does not keep what has long ended waiting', async () => {
    const gpu = await open();
    await expect(gpu.pending(Promise.resolve(7))).resolves.toBe(7);
    await expect(gpu.pending(Promise.reject(new Error('its own')))).rejects.toThrow('its own');
    gpu.fail(new Error('late'));
  });
});

describe('out of memory', () => {
  it('a buffer larger than buffers may be', async () => {
    const gpu = await open();
    const ask = () => gpu.createBuffer({ label: 'blk.0.ffn_up', size: 2 ** 50, usage: GPUBufferUsage.STORAGE });
    expect(ask).toThrow(CapacityError);
    expect(ask).toThrow(/blk\.0\.ffn_up needs .* 1125899906842624 bytes; .* takes at most \d+/);
    expect(gpu.isLost).toBe(false);
  });

  it('more than there is', async () => {
    // The null backend has 512 MiB and takes none of them from this machine.
    const gpu = await open({}, nullGpu);
    const allocate = (count: number) =>
      gpu.guard('allocating the KV cache', () =>
        Array.from({ length: count }, () =>
          gpu.createBuffer({ label: 'kv', size: gpu.limits.bufferBytes, usage: GPUBufferUsage.STORAGE }),
        ),
      );
    const [fits] = await allocate(1);
    fits.destroy();
    await expect(allocate(5)).rejects.toThrow(CapacityError);
    await expect(allocate(5)).rejects.toThrow(/allocating the KV cache: .* is out of memory \(.*\)\. Use a smaller model/);
    // What there was of the five is free again, also where the work itself threw.
    const [again] = await allocate(1);
    again.destroy();
    await expect(
      gpu.guard('allocating', () => {
        gpu.createBuffer({ label: 'kv', size: gpu.limits.bufferBytes, usage: GPUBufferUsage.STORAGE });
        throw new Error('mine');
      }),
    ).rejects.toThrow('mine');
    await allocate(1);
    expect(gpu.isLost).toBe(false);
  });
});

describe('a guard', () => {
  it('gives the result of sound calls', async () => {
    const gpu = await open();
    const buffer = await gpu.guard('allocating', () => staging(gpu));
    expect(buffer.size).toBe(64);
  });

  it('rejects with what was refused, and with what was thrown', async () => {
    const gpu = await open();
    await expect(
      gpu.guard('allocating', () => gpu.device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE })),
    ).rejects.toThrow(/^allocating: .*[Uu]sage/);
    await expect(gpu.guard('allocating', () => { throw new Error('mine'); })).rejects.toThrow('mine');
    await expect(gpu.guard('allocating', () => 3)).resolves.toBe(3);
    expect(gpu.isLost).toBe(false);
  });

  it('rounds buffers up to 16 bytes', async () => {
    const gpu = await open();
    expect(gpu.createBuffer({ label: 'b', size: 0, usage: GPUBufferUsage.STORAGE }).size).toBe(16);
    expect(gpu.createBuffer({ label: 'b', size: 17, usage: GPUBufferUsage.STORAGE }).size).toBe(32);
  });
});
