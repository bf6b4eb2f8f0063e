import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Circumstances, Measurement, Reporter } from './measurement.ts';

/** One measurement as one line; the order of its keys is that of a sentence about it. */
function measurementRecord(measurement: Measurement, { device, ...common }: Circumstances, time: Date): object {
  const { workload, measure, unit, engine, flags, runs, median, min, max, limit, asked, part, isWhole } = measurement;
  return {
    time: time.toISOString(), ...common, device, workload, measure, unit, engine, flags, runs, median, min, max, limit,
    asked, part, isWhole,
  };
}

/** Appends to `path` as figures come in: an interrupted run keeps what it had. Lines are never edited. */
export function jsonLines(path: string): Reporter {
  mkdirSync(dirname(path), { recursive: true });
  // A file that cannot be written to is found out before an hour of measuring.
  appendFileSync(path, '');
  return {
    onMeasurement: (measurement, circumstances) =>
      appendFileSync(path, `${JSON.stringify(measurementRecord(measurement, circumstances, new Date()))}\n`),
    // What took no part is a part of the results: an engine that is not installed, a task that the model has no room for.
    onModelEnd({ model, device }, notes) {
      const time = new Date().toISOString();
      for (const note of notes) appendFileSync(path, `${JSON.stringify({ note, time, model: model.file, device: device.description })}\n`);
    },
  };
}
