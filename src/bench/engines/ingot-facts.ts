import type { Model } from '../../engine/api.ts';
import { packageVersion } from '../../node/package-root.ts';
import type { EngineFacts } from '../engine.ts';

export function factsOf({ info }: Model): EngineFacts {
  const { contextLength, kvType: kv, isTuned: tuned } = info;
  const flags = { contextLength, kv, ...(tuned === undefined ? {} : { tuned }) };
  return { version: packageVersion(), device: info.deviceDescription, flags };
}
