import { test } from 'vitest';
import { checkRecurrence, checkSoundOp, SOUND_OP_CASES } from '../../../test/sound-ops.ts';
import { createReferenceExecutor } from '../reference-executor.ts';

test.each(SOUND_OP_CASES)('%s', (name) => checkSoundOp(createReferenceExecutor(), name, 1e-7));

test('a recurrence that goes on in its slot', () => checkRecurrence(createReferenceExecutor(), 1e-7));
