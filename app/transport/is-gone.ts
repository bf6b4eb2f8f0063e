/**
 * Whether a failure leaves nothing to go on with: the worker, or its device, is gone, and with it the model. The engine says so in these
 * words; a picture that is too large, a queue that is full or a context that is too short fail as CapacityError too, and leave it whole.
 */
export function isGone(error: unknown): boolean {
  return error instanceof Error && error.name === 'CapacityError' && error.message.includes('What it held is gone');
}
