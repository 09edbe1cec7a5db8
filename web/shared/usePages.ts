import { useEffect, useState } from 'preact/hooks';
import type { Refusal } from './logic/refusal.ts';
import { type Resource, refusalOf, useResource } from './useResource.ts';

export interface Pages<Page> {
  readonly first: Resource<Page>;
  /** All that were loaded, in order. */
  readonly pages: readonly Page[];
  /** Loads one more; undefined where there is none. */
  readonly more: (() => Promise<void>) | undefined;
  readonly moreRefusal: Refusal | undefined;
  /** Back to the first page, as it is now. */
  restart(): Promise<void>;
}

/**
 * A list that the server gives page by page. The first page refreshes every `everyMs`, if at all, until further ones are shown: that would fetch
 * all of them again. Another `key` is another list.
 */
export function usePages<Page extends { readonly nextCursor?: string }>(
  key: string,
  load: (cursor?: string) => Promise<Page>,
  everyMs: number | undefined,
): Pages<Page> {
  const [further, setFurther] = useState<{ key: string; pages: readonly Page[] }>({ key, pages: [] });
  const [moreRefusal, setMoreRefusal] = useState<Refusal>();
  const shown = further.key === key ? further.pages : [];
  const first = useResource(key, () => load(), shown.length === 0 ? everyMs : undefined);
  useEffect(() => setMoreRefusal(undefined), [key]);

  const pages = first.data ? [first.data, ...shown] : [];
  const cursor = first.settled ? pages.at(-1)?.nextCursor : undefined;
  const more = async () => {
    try {
      const page = await load(cursor);
      setFurther({ key, pages: [...shown, page] });
      setMoreRefusal(undefined);
    } catch (error) {
      setMoreRefusal(refusalOf(error));
    }
  };
  return {
    first,
    pages,
    more: cursor === undefined ? undefined : more,
    moreRefusal,
    restart: async () => {
      setFurther({ key, pages: [] });
      await first.reload();
    },
  };
}
