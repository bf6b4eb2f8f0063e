/** Tests find caches and data of their own, never those of whoever runs them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-tests-'));
  process.env['HF_HOME'] = join(folder, 'huggingface');
  process.env['INGOT_HOME'] = join(folder, 'ingot');
  return () => rmSync(folder, { recursive: true, force: true });
}
