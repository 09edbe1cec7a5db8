import { onSignals } from './shutdown.ts';

/**
 * Aborts when this process is asked to end. A program imports this before all else, so that no signal is lost while it loads what
 * it needs: a container's first process is not ended by a signal that nobody waits for.
 */
export const stopRequest: AbortSignal = onSignals();
