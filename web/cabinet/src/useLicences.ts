import { useShell } from './context.ts';
import { useRows } from './useRows.ts';
import type { Licence } from './wire.ts';

/** Licences page by page, and anew when something was done. */
export function useLicences(filter: { organisation?: string; suspected?: string; keyId?: string }) {
  const { api } = useShell();
  const { rows, ...rest } = useRows<Licence>(JSON.stringify(filter), async (after) => {
    const page = await api.licences(filter, after);
    return { rows: page.licences, next: page.after };
  });
  return { licences: rows, ...rest };
}
