import type { Refusal } from '../../shared/logic/refusal.ts';
import { usePages as useSharedPages } from '../../shared/usePages.ts';

export interface Rows<Row> {
  readonly rows: readonly Row[];
  readonly settled: boolean;
  readonly refusal: Refusal | undefined;
  /** Loads anew, from the first page. */
  reload(): Promise<void>;
  /** Loads the next page; undefined: there is none. */
  readonly more: (() => Promise<void>) | undefined;
}

/**
 * The rows of a list that comes page by page. It refreshes only when it is told to: an open tab must not keep a session alive.
 * @param key of the question; when it changes, the list begins anew
 * @param load the page that begins at `next`
 */
export function useRows<Row>(
  key: string,
  load: (next?: string) => Promise<{ readonly rows: readonly Row[]; readonly next: string | number | undefined }>,
): Rows<Row> {
  const { first, pages, more, moreRefusal, restart } = useSharedPages(
    key,
    async (cursor?: string) => {
      const { rows, next } = await load(cursor);
      return { rows, ...(next === undefined ? {} : { nextCursor: String(next) }) };
    },
    undefined,
  );
  return {
    rows: pages.flatMap((page) => page.rows),
    settled: first.settled,
    refusal: first.refusal ?? moreRefusal,
    reload: restart,
    more,
  };
}
