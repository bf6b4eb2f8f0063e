import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkGemvFloat, SUBGROUP, TEAMS, variantOf, withoutF16, WORKGROUP } from '../../../../test/gpu/gemv-float-check.ts';
import { packParts } from '../../../../test/gpu/pack-matrix.ts';
import { typeCases } from '../../../../test/gpu/type-cases.ts';
import { createNullGpu, openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { bytesOfElements, isQuantized, TENSOR_TYPES } from '../../../tensor/tensor-type.ts';
import { gemvFloatKernel, gemvFloatWorkgroups } from './gemv-float.ts';

describe('gemvFloatKernel', () => {
  let device: TestDevice;
  beforeAll(async () => {
    device = await openTestDevice();
  });
  afterAll(() => device.close());

  for (const { type, options } of typeCases()) {
    describe(type, options, () => {
      const [least, cols] = isQuantized(type) ? [TENSOR_TYPES[type].blockSize, 3 * TENSOR_TYPES[type].blockSize] : [1, 261];

      it.each(TEAMS)('$reduction', async (team) => {
        await checkGemvFloat(device, variantOf({ cols, parts: [{ type, rows: 37 }] }, team));
        if (!isQuantized(type)) await checkGemvFloat(device, variantOf({ cols: least, parts: [{ type, rows: 1 }] }, team));
      });

      it.runIf(isQuantized(type))('codes through halves', async () => {
        for (const arithmetic of ['half', 'subnormal'] as const)
          await checkGemvFloat(device, variantOf({ cols, parts: [{ type, rows: 9 }] }, { arithmetic }));
      });

      it.runIf(isQuantized(type))('two lanes to a group', async () => {
        const shape = { cols, parts: [{ type, rows: 9 }], norm: { eps: 1e-5 } };
        await checkGemvFloat(device, variantOf(shape, { ...SUBGROUP, arithmetic: 'half', lanesPerGroup: 2 }));
        await checkGemvFloat(device, variantOf(shape, { ...WORKGROUP, rowsPerTeam: 1, arithmetic: 'integer', lanesPerGroup: 2 }));
      });

      it.runIf(isQuantized(type))('x in f16, with f32 in its place', async () => {
        await checkGemvFloat(device, variantOf({ cols, parts: [{ type, rows: 9 }] }, { arithmetic: 'f16', rowsPerTeam: 1 }), {
          xRows: 1,
          edit: withoutF16,
        });
      });

      it.runIf(!isQuantized(type))('rows that end in the middle of 16 bytes', async () => {
        for (const width of [6, 68])
          await checkGemvFloat(device, variantOf({ cols: width, parts: [{ type, rows: 9 }], norm: { eps: 1e-5 } }, { batch: 2 }));
      });

      it('several columns', async () => {
        const forms = isQuantized(type) ? (['integer', 'half', 'subnormal'] as const) : (['integer'] as const);
        for (const arithmetic of forms)
          await checkGemvFloat(device, variantOf({ cols: least, parts: [{ type, rows: 7 }] }, { arithmetic, batch: 2, rowsPerTeam: 1 }));
      });

      it.each(TEAMS)('norm, bias and residual: $reduction', async (team) => {
        const epilogue = { cols, parts: [{ type, rows: 13 }], norm: { eps: 1e-5 }, bias: true, residual: true };
        await checkGemvFloat(device, variantOf(epilogue, { ...team, arithmetic: team.reduction === 'subgroup' ? 'half' : 'integer' }));
      });

      it.each(TEAMS)('x as a sum that every workgroup makes: $reduction', async (team) => {
        const sum = { eps: 1e-3, by: 'factor', next: undefined, isKept: true } as const;
        const shape = { cols: Math.ceil(96 / least) * least, parts: [{ type, rows: 37 }], sum };
        await checkGemvFloat(device, variantOf(shape, team));
        await checkGemvFloat(device, variantOf({ ...shape, sum: { ...sum, by: 0.75, isKept: false }, norm: { eps: 1e-2 } }, team));
      });

      it.each(TEAMS)('pairs gate and up: $reduction', async (team) => {
        await checkGemvFloat(
          device,
          variantOf(
            { cols: least, parts: [{ type, rows: 2 * 39 }], gated: 'silu', norm: { eps: 1e-6 }, bias: team.reduction === 'subgroup' },
            { ...team, rowsPerTeam: team.reduction === 'none' ? 1 : 2 },
          ),
        );
      });
    });
  }
});

describe('variants for devices that no test has', () => {
  let device: TestDevice;
  beforeAll(async () => {
    device = await openTestDevice(createNullGpu());
  });
  afterAll(() => device.close());

  for (const { type, options } of typeCases()) {
    it(`compiles ${type} with x in f16 and subgroups of 32`, options, async () => {
      for (const batch of [1, 4] as const) {
        for (const gated of [false, 'silu'] as const) {
          const variant = variantOf(
            { cols: 1024, parts: [{ type, rows: 64 }], gated, norm: { eps: 1e-6 } },
            { arithmetic: 'f16', batch, lanes: 32, rowsPerTeam: 4, teams: 2, lanesPerGroup: batch === 1 && gated ? 2 : 1 },
          );
          const kernel = gemvFloatKernel(variant);
          expect(kernel.needs.f16 === true).toBe(isQuantized(type) && batch === 1);
          const bytes = new Uint8Array(bytesOfElements(type, 64 * 1024));
          const f32 = new Float32Array(4096);
          await device.run({
            kernel,
            workgroups: gemvFloatWorkgroups(variant, batch),
            buffers: { ...packParts(variant.shape.parts, 1024, [bytes]), x: f32, gain: f32, y: f32, step: new Uint32Array(4) },
          });
        }
      }
    });
  }
});
