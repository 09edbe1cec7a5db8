import { useState } from 'preact/hooks';
import type { Refusal } from '../../shared/logic/refusal.ts';
import { refusalOf } from '../../shared/useResource.ts';

export interface Attempt {
  readonly busy: boolean;
  readonly refusal: Refusal | undefined;
  /** Does it, not twice at once; answers whether it came to a good end. */
  run(work: () => Promise<void>): Promise<boolean>;
}

/** Something that a person does and that may be refused. */
export function useAttempt(): Attempt {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal>();
  return {
    busy,
    refusal,
    run: async (work) => {
      setBusy(true);
      setRefusal(undefined);
      try {
        await work();
        return true;
      } catch (error) {
        setRefusal(refusalOf(error));
        return false;
      } finally {
        setBusy(false);
      }
    },
  };
}
