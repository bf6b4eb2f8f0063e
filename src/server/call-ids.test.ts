import { expect, it } from 'vitest';
import { engineCallId, toldCallId } from './call-ids.ts';

it('ids of calls begin as their forms have it for clients, and are the same for chat templates whichever it was', () => {
  expect([toldCallId('a1b2c3d4e', 'call'), toldCallId('a1b2c3d4e', 'toolUse')]).toEqual(['call_a1b2c3d4e', 'toolu_a1b2c3d4e']);
  for (const id of ['a1b2c3d4e', 'call_a1b2c3d4e', 'toolu_a1b2c3d4e']) expect(engineCallId(id)).toBe('a1b2c3d4e');
  // One that is a beginning alone stays, and one that a model wrote comes back as it was.
  for (const id of ['call_', 'functions.f:0', 'call_call_x']) expect(engineCallId(toldCallId(id, 'call'))).toBe(id);
});
