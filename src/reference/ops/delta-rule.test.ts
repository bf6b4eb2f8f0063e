import { describe, it } from 'vitest';
import { checkDeltaRule, DELTA_RULE_CASES } from '../../../test/delta-rule-oracle.ts';
import type { DeltaRuleCase } from '../../../test/delta-rule-oracle.ts';
import { createReferenceExecutor } from '../reference-executor.ts';

describe('the gated delta rule on the reference', () => {
  it.each(Object.keys(DELTA_RULE_CASES) as DeltaRuleCase[])("%s key heads, as transformers' recurrence", async (name) => {
    await checkDeltaRule(createReferenceExecutor(), name, 5e-6);
  });
});
