import { useEffect, useState } from 'preact/hooks';
import { useText } from '../context.ts';
import { preference } from '../preference.ts';
import { chooseLanguage, type Language, languageNames, languages } from '../text/text.ts';

export const themes = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

export interface PreferencesProps {
  readonly language: Language;
  readonly theme: Theme;
  setLanguage(language: Language): void;
  setTheme(theme: Theme): void;
}

/** Language and appearance, kept in the browser and told to the document. */
export function usePreferences(): PreferencesProps {
  const [language, setLanguage] = useState(() => chooseLanguage(preference.get('language'), navigator.languages));
  const [theme, setTheme] = useState<Theme>(() => themes.find((known) => known === preference.get('theme')) ?? 'auto');
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return {
    language,
    theme,
    setLanguage(chosen) {
      preference.set('language', chosen);
      setLanguage(chosen);
    },
    setTheme(chosen) {
      preference.set('theme', chosen);
      setTheme(chosen);
    },
  };
}

export function Preferences({ language, theme, setLanguage, setTheme }: PreferencesProps) {
  const { t } = useText();
  return (
    <>
      <select
        aria-label={t('app.language')}
        value={language}
        onChange={(e) => setLanguage(e.currentTarget.value as Language)}
      >
        {languages.map((l) => (
          <option key={l} value={l} lang={l}>
            {languageNames[l]}
          </option>
        ))}
      </select>
      <select aria-label={t('app.theme')} value={theme} onChange={(e) => setTheme(e.currentTarget.value as Theme)}>
        {themes.map((name) => (
          <option key={name} value={name}>
            {t(`app.theme.${name}`)}
          </option>
        ))}
      </select>
    </>
  );
}
