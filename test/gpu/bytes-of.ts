import type { GpuDevice } from '../../src/gpu/device/gpu-device.ts';

/** All that a buffer of the GPU holds. */
export async function bytesOf(gpu: Pick<GpuDevice, 'device' | 'queue'>, buffer: GPUBuffer): Promise<Uint8Array> {
  const staging = gpu.device.createBuffer({ size: buffer.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size);
  gpu.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const bytes = new Uint8Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return bytes;
}
