import type { ComponentChildren } from 'preact';
import { useText } from '../context.ts';
import { Icon, type IconName } from './icon.tsx';

export interface MenuEntry {
  readonly href: string;
  readonly icon: IconName;
  readonly text: string;
  readonly current: boolean;
}

export interface FrameProps {
  /** The page's name; a link to `home`. */
  readonly name: string;
  readonly home: string;
  /** Absent: nobody is signed in. */
  readonly menu: readonly MenuEntry[] | undefined;
  /** At the end of the header: preferences, and the way out. */
  readonly end: ComponentChildren;
  /** What was done just now, by a line that also screen readers say. */
  readonly message: string;
  readonly children: ComponentChildren;
}

/** What stands around every view. */
export function Frame({ name, home, menu, end, message, children }: FrameProps) {
  const { t } = useText();
  return (
    <>
      <header>
        <a class="brand" href={home}>
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <path d="M7 7h7.500v7.500H7zM17.500 7H25v7.500h-7.500zM7 17.500h7.500V25H7z" fill="currentColor" />
            <path d="M17.500 17.500H25V25h-7.500z" fill="currentColor" opacity=".45" />
          </svg>
          {name}
        </a>
        {menu && (
          <nav aria-label={t('app.menu')}>
            {menu.map(({ href, icon, text, current }) => (
              <a key={href} href={href} {...(current ? { 'aria-current': 'page' as const } : {})}>
                <Icon name={icon} />
                {text}
              </a>
            ))}
          </nav>
        )}
        <div class="header-end">{end}</div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <div class="message" role="status">
        {message && <p>{message}</p>}
      </div>
    </>
  );
}

/** The first thing that the keyboard reaches. */
export function SkipLink() {
  const { t } = useText();
  return (
    <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
      {t('app.skip')}
    </button>
  );
}
