/** The English words that every page says. */
export const en = {
  'app.skip': 'Skip to content',
  'app.menu': 'Main menu',
  'app.language': 'Language',
  'app.theme': 'Appearance',
  'app.theme.auto': 'Auto',
  'app.theme.light': 'Light',
  'app.theme.dark': 'Dark',
  'app.loading': 'Loading…',
  'app.retry': 'Try again',
  'app.cancel': 'Cancel',
  'app.more': 'Show more',
  'app.copy': 'Copy',
  'app.copied': 'Copied',
  'app.none': '—',
  'app.details': 'What the server said',
  'signIn.out': 'Sign out',
} as const;
