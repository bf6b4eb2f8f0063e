/** Whether a failure leaves nothing to go on with: the worker, or its device, is gone, and with it the model. */
export function isGone(error: unknown): boolean {
  return error instanceof Error && (error as { readonly lost?: string }).lost !== undefined;
}
