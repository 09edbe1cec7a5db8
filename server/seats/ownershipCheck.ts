import type { FastifyReply } from 'fastify';
import { sendDenied } from './answers.ts';
import { fold } from './holderKey.ts';
import { instanceConflict } from './refusals.ts';
import type { SeatStore } from './store.ts';

/** Goes on if the instance owns the name of the base, or takes it; else the answer is a refusal. */
export function ownershipCheck(store: SeatStore) {
  return (reply: FastifyReply, base: string, instance: string, go: () => void, refused = () => {}) => {
    const answer = (owns: boolean) => {
      if (owns) return go();
      refused();
      sendDenied(reply, 'BaseInstanceConflict', instanceConflict(base, instance), {});
    };
    const key = fold(base);
    const verdict = store.owners.verdict(key, instance);
    if (verdict !== 'unknown') answer(verdict === 'own');
    else store.owners.claim(key, base, instance).then(answer, (error: unknown) => void reply.send(error));
  };
}
