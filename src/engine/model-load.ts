import type { ModelLoad } from './api.ts';
import type { ModelCore } from './model-core.ts';

/** How busy a model is. */
export function modelLoad({ scheduler, state }: Pick<ModelCore, 'scheduler' | 'state'>): ModelLoad {
  const groups = state.most.map((most, group) => {
    const cached = state.cached[group] as number;
    return { most, cached, held: (state.allocated[group] as number) - (state.free[group] as number) - cached };
  });
  const fullest = groups.reduce((a, b) => (b.held / b.most > a.held / a.most ? b : a), groups[0] ?? { most: 1, held: 0, cached: 0 });
  return { ...scheduler.calls, ...scheduler.done, pageTokens: state.pageTokens, pages: fullest };
}
