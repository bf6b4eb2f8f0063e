import type { Model } from '../../engine/api.ts';
import { packageVersion } from '../../node/package-root.ts';
import type { EngineFacts } from '../engine.ts';

export function factsOf({ info }: Model): EngineFacts {
  return { version: packageVersion(), device: info.deviceDescription, flags: { contextLength: info.contextLength, kv: info.kvType } };
}
