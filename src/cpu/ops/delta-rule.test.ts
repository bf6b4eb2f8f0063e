import { describe, it } from 'vitest';
import { checkDeltaRule, DELTA_RULE_CASES } from '../../../test/delta-rule-oracle.ts';
import type { DeltaRuleCase } from '../../../test/delta-rule-oracle.ts';
import { openExecutor } from '../../node/load-model.ts';

describe.each([1, 3])('the gated delta rule on the CPU with %i thread(s)', (threads) => {
  it.each(Object.keys(DELTA_RULE_CASES) as DeltaRuleCase[])("%s key heads, as transformers' recurrence", async (name) => {
    await checkDeltaRule(await openExecutor({ device: 'cpu', threads }), name, 1e-5);
  });
});
