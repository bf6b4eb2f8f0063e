import { describe, it } from 'vitest';
import { expectVisibilityCase, VISIBILITY_CASES } from '../visibility-cases.ts';
import { softwareExecutor } from './shared-device.ts';

describe('windows and both directions as transformers has them, on the software adapter', () => {
  it.each(VISIBILITY_CASES)('%s', async (name) => expectVisibilityCase(name, await softwareExecutor({})));
});
