// `node adapter-child.mjs MODE`: opens the software adapter from the build, uses it and ends in the way that MODE says.
const dist = new URL('../../dist/', import.meta.url);
const { findAdapter } = await import(new URL('node/gpu-adapter.js', dist).href);
const { openGpuDevice } = await import(new URL('gpu/device/gpu-device.js', dist).href);
const mode = process.argv[2];

async function openAndUse() {
  const { adapter } = await findAdapter('software', { toggles: 'safe' });
  const gpu = await openGpuDevice(adapter);
  const buffer = gpu.createBuffer({ label: 'staging', size: 64, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  await gpu.pending(buffer.mapAsync(GPUMapMode.READ));
  buffer.unmap();
  return { gpu, buffer };
}

const modes = {
  async find() {
    const answers = [];
    for (const kind of ['hardware', 'software', 'hardware']) {
      const before = process.cpuUsage();
      const { adapter, problem } = await findAdapter(kind);
      const { user, system } = process.cpuUsage(before);
      answers.push({ kind, found: adapter !== undefined, problem, tookMs: (user + system) / 1000 });
    }
    console.log(JSON.stringify(answers));
  },
  async destroyed() {
    const { gpu } = await openAndUse();
    gpu.destroy();
  },
  async left() {
    await openAndUse();
  },
  async pending() {
    const { gpu, buffer } = await openAndUse();
    gpu.pending(buffer.mapAsync(GPUMapMode.READ)).catch(({ message }) => console.log(message));
    gpu.destroy();
  },
  async exit() {
    const { gpu, buffer } = await openAndUse();
    gpu.pending(buffer.mapAsync(GPUMapMode.READ)).catch(() => {});
    process.exit(0);
  },
  /** Everything dropped and collected while the process lives: Dawn's instance must not be among it. */
  async collected() {
    for (let i = 0; i < 4; i++) (await openAndUse()).gpu.destroy();
    for (let i = 0; i < 20; i++) {
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    (await openAndUse()).gpu.destroy();
  },
};

await modes[mode]();
