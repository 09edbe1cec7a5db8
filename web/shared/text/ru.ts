import type { Dictionary } from './dictionary.ts';
import type { en } from './en.ts';

/** Слова, общие для всех страниц. */
export const ru: Dictionary<typeof en> = {
  'app.skip': 'Перейти к содержанию',
  'app.menu': 'Главное меню',
  'app.language': 'Язык',
  'app.theme': 'Оформление',
  'app.theme.auto': 'Авто',
  'app.theme.light': 'Светлое',
  'app.theme.dark': 'Тёмное',
  'app.loading': 'Загрузка…',
  'app.retry': 'Повторить',
  'app.cancel': 'Отмена',
  'app.more': 'Показать ещё',
  'app.copy': 'Копировать',
  'app.copied': 'Скопировано',
  'app.none': '—',
  'app.details': 'Ответ сервера',
  'signIn.out': 'Выйти',
};
