// Where a model runs: `auto` takes a GPU if there is one, else the CPU; a device by name is that one or an error.
import { bundledModelPath, CapacityError, loadModel } from 'ingot';

for (const device of ['auto', 'gpu', 'cpu']) {
  try {
    const model = await loadModel(bundledModelPath(), { device, contextLength: 256 });
    const { deviceDescription, memory } = model.info;
    console.log(`${device}: ${deviceDescription}, ${(memory.weightBytes / 1e6).toFixed(1)} MB of weights`);
    await model.dispose();
  } catch (error) {
    if (!(error instanceof CapacityError)) throw error;
    console.log(`${device}: ${error.message}`);
  }
}
