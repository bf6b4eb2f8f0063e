import { describe, it } from 'vitest';
import { checkDeltaRule, deltaRuleGraph, DELTA_RULE_CASES } from '../../../test/delta-rule-oracle.ts';
import type { DeltaRuleCase } from '../../../test/delta-rule-oracle.ts';
import { expectClose } from '../../../test/relative-error.ts';
import { syntheticRequest } from '../../../test/synthetic-graph.ts';
import { decoderSteps } from '../../graph/decoder-steps.ts';
import { openExecutor } from '../../node/load-model.ts';
import { createReferenceExecutor } from '../../reference/reference-executor.ts';

describe.each([1, 3])('the gated delta rule on the CPU with %i thread(s)', (threads) => {
  it.each(Object.keys(DELTA_RULE_CASES) as DeltaRuleCase[])("%s key heads, as transformers' recurrence", async (name) => {
    await checkDeltaRule(await openExecutor({ device: 'cpu', threads }), name, 1e-5);
  });
});

it('queries and keys whose squares f32 does not hold', async () => {
  const { rows: _, ...shape } = DELTA_RULE_CASES.grouped;
  const scaleOf = (id: string) => ({ qkv: 1e25, decay: -0.1 })[id] ?? 1;
  const request = syntheticRequest({ graph: deltaRuleGraph(shape, 20), typeOf: () => 'f32', scaleOf });
  const programs = [await createReferenceExecutor().load(request), await (await openExecutor({ device: 'cpu', threads: 1 })).load(request)];
  const tokens = Array.from({ length: 20 }, (_each, row) => row);
  const [wanted, found] = await Promise.all(programs.map(async (program) => {
    program.ensureSlots(2);
    const { logits } = await decoderSteps(program).run({
      sequences: [{ tokens, start: 0, pages: [], slots: { read: 0, write: 1 }, outputs: tokens }],
    });
    await program.dispose();
    return logits.map((value) => value / 1e25);
  }));
  expectClose('y', { wanted: wanted!, found: found! }, 1e-5);
});
